"""The gateway's HTTP application."""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from producers.gateway import answers, modes, openapi, traces
from producers.gateway.answers import fate
from producers.gateway.envelope import Defaults
from producers.gateway.intake import SILENT_MAX_S, Intake
from producers.gateway.modes import BATCH_MAX_BYTES
from producers.gateway.room import Room
from tocsin import failpoints
from tocsin.http import problems
from tocsin.http.admission import KEYS_AGE_MAX_S, Caller, Gate, shown_key, too_many
from tocsin.http.bodies import BODY_MAX_BYTES, bounded, media_type, too_large
from tocsin.http.problems import Fault, Problem, unavailable
from tocsin.http.protection import Protection
from tocsin.http.rate import Limiter
from tocsin.telemetry.meter import Counter
from tocsin.telemetry.tracing import Tracer

PATH: Final = "/v1/events"
SCOPE: Final = "publish"
SEED_MAX: Final = 200
"""Bound on `Idempotency-Key`."""

_SEEDED: Final = uuid.UUID("4c7bb0ce-3ac7-5b8b-9b4e-0c9f4a0f2d11")
_log = logging.getLogger("tocsin.gateway")


@dataclass(frozen=True, slots=True)
class Services:
    """What requests need, put together once.

    Attributes:
        keys_age_s: How old this node's knowledge of keys is.
        now: The time of day, UTC.
        tracer: Where the spans of requests begin.
        published: Counts events by system and by what became of them.
    """

    gate: Gate
    limiter: Limiter
    room: Room
    intake: Intake
    keys_age_s: Callable[[], float]
    now: Callable[[], datetime]
    tracer: Tracer = field(default_factory=Tracer)
    published: Counter = field(default_factory=Counter)


class _Shortcut:
    """Answers the one request that comes thousands of times a second, without the framework's layers around it."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        try:
            answered = await publish(Request(scope, receive))
        except Problem as problem:
            answered = problem.response()
        except Exception:
            _log.exception("%s", PATH)
            answered = problems.failure().response()
        await answered(scope, receive, send)


def create_app(services: Services) -> ASGIApp:
    """Return the whole application."""
    app = Starlette(
        routes=[
            Route(PATH, publish, methods=["POST"]),
            Route("/livez", _alive),
            Route("/readyz", _ready),
            Route("/openapi.json", _described),
        ]
    )
    app.state.services = services
    app.state.openapi = orjson.dumps(openapi.document())
    problems.install(app)
    return Protection(_Shortcut(app), BATCH_MAX_BYTES)


async def publish(request: Request) -> Response:
    """Write a request's events to Kafka, and answer once the broker has acknowledged them.

    Raises:
        Problem: As `Gate.admit`, `modes.read`, `Intake.require_broker` and `answers.answer`.
    """
    services: Services = request.app.state.services
    caller = services.gate.admit(
        shown_key(request.headers), (SCOPE,), lambda known: _count(request, known, 1)
    )
    services.intake.require_broker()
    with services.room.held(_announced_bytes(request)):
        body = await bounded(request, BATCH_MAX_BYTES)
        if len(body) > BODY_MAX_BYTES and not modes.is_list(body):
            raise too_large(BODY_MAX_BYTES)
        sent = modes.read(media_type(request), request.headers.items(), body)
        if len(sent.events) > 1:
            _count(request, caller, len(sent.events) - 1)
        traced = traces.begin(services.tracer, request.headers, caller.system.name, len(sent.events), random)
        outcomes = await services.intake.take(
            sent.events,
            caller.system.name,
            _defaults(request, caller, services.now()),
            traced.headers,
            cloudevents=sent.cloudevents,
        )
        traced.end(outcomes)
        for each in outcomes:
            services.published.add(caller.system.name, fate(each))
    answered = answers.answer(outcomes, batched=sent.batched)
    failpoints.hit("gateway.before_answer")
    return answered


def new_ids(caller: Caller, seed: str | None) -> Callable[[int], str]:
    """Return what makes ids for events without one: random, or the same for the same `Idempotency-Key`.

    Args:
        seed: The header's value, or None.
    """
    if seed is None:
        return lambda place: uuid.uuid4().hex
    return lambda place: uuid.uuid5(_SEEDED, f"{caller.organization}\0{seed}\0{place}").hex


def _defaults(request: Request, caller: Caller, now: datetime) -> Defaults:
    seed = request.headers.get("idempotency-key")
    if seed is not None and not 1 <= len(seed) <= SEED_MAX:
        fault = Fault(field="Idempotency-Key", reason=f"has 1 to {SEED_MAX} characters")
        raise Problem(400, "invalid_parameter", f"{fault.field}: {fault.reason}", errors=[fault])
    source = f"/{quote(caller.organization, safe='')}"
    return Defaults(caller.organization, source, now, new_ids(caller, seed))


def _count(request: Request, caller: Caller, events: int) -> None:
    services: Services = request.app.state.services
    standing = services.limiter.spend(caller.key_id, amount=events)
    request.state.rate_limit = standing.headers()
    if standing.refused:
        raise too_many(standing)


def _announced_bytes(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else BATCH_MAX_BYTES


async def _alive(request: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _ready(request: Request) -> Response:
    services: Services = request.app.state.services
    if services.keys_age_s() > KEYS_AGE_MAX_S or services.intake.silent_s() > SILENT_MAX_S:
        raise unavailable("Kafka does not answer")
    return JSONResponse({"status": "ready"})


async def _described(request: Request) -> Response:
    described: bytes = request.app.state.openapi
    return Response(described, media_type="application/json")
