"""`/v1/deliveries`: the delivery log, one delivery with all its attempts, and sending it once more."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection, select
from starlette.concurrency import run_in_threadpool

from control import cursor, log_search, pacing, trail
from control.auth import Reading, Replaying
from control.cursor import Position
from control.idempotency import IdempotencyKey, derived
from control.log_models import DeliveryQuery, WebhookDeliveryQuery
from control.log_representation import LATEST_MS, detail, item
from control.log_search import Page, Search
from control.services import Services
from tocsin.deliveries import Delivery
from tocsin.errors import NotAcknowledged
from tocsin.events import Event
from tocsin.http.admission import Caller
from tocsin.http.problems import Problem, not_found, unavailable
from tocsin.ledger.tables import attempts, deliveries
from tocsin.subscriptions import Subscription
from tocsin.wire.disclosure import shown_url
from tocsin.wire.systems import Systems, WireFormat

PATH: Final = "/v1/deliveries"
TIMELINE_MAX: Final = 250
_LISTING: Final = "deliveries"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


async def list_(request: Request, caller: Reading, query: Annotated[DeliveryQuery, Query()]) -> JSONResponse:
    """List deliveries, the newest first."""
    return await _listed(request, caller, query, query.webhook_id)


async def list_of_webhook(
    request: Request, caller: Reading, webhook_id: str, query: Annotated[WebhookDeliveryQuery, Query()]
) -> JSONResponse:
    """List a webhook's deliveries, the newest first."""
    services: Services = request.app.state.services
    webhook = services.webhook(caller.organization, webhook_id)
    return await _listed(request, caller, query, webhook.id)


async def get(request: Request, caller: Reading, delivery_id: str) -> JSONResponse:
    """Show a delivery: its request, every attempt with the answer to it, and what follows."""
    services: Services = request.app.state.services
    row, tries = await services.log.ask(_Lookup(caller.organization, _known(delivery_id)))
    wire = _wire(services.systems, row)
    webhook = services.directory.get(caller.organization, row["subscription_id"])
    url = shown_url(webhook.url, wire) if webhook is not None and wire is not None else None
    truncated = len(tries) > TIMELINE_MAX
    return JSONResponse(detail(row, tries[:TIMELINE_MAX][::-1], url=url, wire=wire, truncated=truncated))


async def resend(
    request: Request, caller: Replaying, delivery_id: str, key: IdempotencyKey = None
) -> JSONResponse:
    """Send a delivery once more: the same body under the same id, signed anew.

    It is a run of its own, with the whole schedule before it; whatever else becomes of the delivery goes on beside it.
    With the same `Idempotency-Key` it is the same run, which is sent once.
    """
    services: Services = request.app.state.services
    row, _ = await services.log.ask(_Lookup(caller.organization, _known(delivery_id), tries=0))
    webhook = _sendable(row, services, caller)
    pacing.spend(services.pacer, webhook.id)
    run = new_run(caller.organization, row["delivery_id"], key)
    entry = trail.resend(caller, row["delivery_id"], run, services.clock_ms())

    def send() -> None:
        services.outbox.again(_event(row), _delivery(row, webhook), run=run, test=row["test"])
        services.trail.tell(entry)

    try:
        await run_in_threadpool(send)
    except NotAcknowledged as error:
        raise unavailable(f"{error}; it may or may not be sent, the delivery's attempts will tell") from error
    return JSONResponse({"delivery_id": row["delivery_id"], "run": run}, 202)


def new_run(organization: str, delivery_id: str, key: str | None) -> str:
    """Return the run of a resend: another one at each call, but the same for the same key."""
    if key is None:
        return f"resend_{os.urandom(12).hex()}"
    return f"resend_{derived(key, organization, delivery_id)}"


@dataclass(frozen=True, slots=True)
class _Lookup:
    """The question for a delivery and its newest tries."""

    organization: str
    delivery_id: str
    tries: int = TIMELINE_MAX + 1

    def __call__(self, connection: Connection) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        wanted = select(deliveries).where(
            deliveries.c.delivery_id == self.delivery_id, deliveries.c.organization == self.organization
        )
        row = connection.execute(wanted).mappings().one_or_none()
        if row is None:
            raise not_found("delivery")
        found = (
            select(attempts)
            .where(attempts.c.delivery_id == self.delivery_id)
            .order_by(attempts.c.started_at.desc(), attempts.c.step.desc())
            .limit(self.tries)
        )
        return dict(row), [dict(each) for each in connection.execute(found).mappings()] if self.tries else []


@dataclass(frozen=True, slots=True)
class _Paged:
    """The question for a page."""

    search: Search
    after: Position | None
    limit: int

    def __call__(self, connection: Connection) -> Page:
        return log_search.find(connection, self.search, after=self.after, limit=self.limit)


async def _listed(
    request: Request, caller: Caller, query: WebhookDeliveryQuery, webhook_id: str | None
) -> JSONResponse:
    services: Services = request.app.state.services
    search = Search(
        caller.organization,
        webhook_id,
        event_type=query.event_type,
        status=query.status,
        reason=query.reason,
        fault=query.fault,
        http_status=query.http_status,
        since=query.since,
        until=query.until,
        text=query.q,
    )
    after = cursor.required(caller.organization, _LISTING, query.after)
    page = await services.log.ask(_Paged(search, after, query.limit))
    return JSONResponse(
        {
            "data": [item(row._asdict()) for row in page.rows],
            "next": None if page.next is None else cursor.encode(caller.organization, _LISTING, page.next),
        }
    )


def _known(delivery_id: str) -> str:
    """Return an id as the log has it; what can be none is not looked up."""
    if not _ID.match(delivery_id):
        raise not_found("delivery")
    return delivery_id


def _sendable(row: Mapping[str, Any], services: Services, caller: Caller) -> Subscription:
    """Return the webhook that a delivery can be sent to again.

    Raises:
        Problem: 409, it cannot.
    """
    webhook = services.directory.get(caller.organization, row["subscription_id"])
    if webhook is None:
        raise Problem(409, "webhook_deleted", "its webhook is deleted")
    if row["body"] is None:
        raise Problem(409, "body_unknown", "its body is not in the delivery log yet; ask again in a moment")
    standing = services.standing(webhook)
    if not standing.active and not row["test"]:
        raise Problem(409, "webhook_disabled", f"its webhook is disabled: {standing.inactive_reason}")
    return webhook


def _event(row: Mapping[str, Any]) -> Event:
    moment = datetime.fromtimestamp(min(row["event_time"], LATEST_MS) / 1000, UTC)
    return Event(row["event_id"], row["event_source"], row["event_type"], moment, row["organization"])


def _delivery(row: Mapping[str, Any], webhook: Subscription) -> Delivery:
    return Delivery(
        delivery_id=row["delivery_id"],
        organization=row["organization"],
        subscription_id=webhook.id,
        subscription_offset=webhook.offset,
        system=row["system"],
        format=row["format"],
        event_id=row["event_id"],
        event_source=row["event_source"],
        event_type=row["event_type"],
        event_time=row["event_time"],
        content_type=row["content_type"],
        headers=tuple((name, value) for name, value in row["headers"]),
        body=row["body"],
    )


def _wire(systems: Systems, row: Mapping[str, Any]) -> WireFormat | None:
    try:
        return systems.wire_format(row["system"], row["format"])
    except KeyError:
        return None
