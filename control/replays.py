"""`/v1/replays`: dead letters delivered again, as one job that can be watched, paused and cancelled.

Whatever is asked for, a replay concerns the key's organization alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from control import cursor, replay_preview
from control.auth import Replaying
from control.idempotency import IdempotencyKey, derived
from control.log_models import Paging
from control.log_representation import item, moment
from control.models import read
from control.replay_models import NewReplay, Preview, ReplaySelection
from control.services import Services
from tocsin import jobs
from tocsin.deliveries import REASONS
from tocsin.errors import NotAcknowledged
from tocsin.http.admission import Caller
from tocsin.http.bodies import json_body
from tocsin.http.problems import Fault, Problem, invalid_body, not_found, unavailable
from tocsin.jobs import ENDED, Job, JobControl, ReplayRequest, Wanted
from tocsin.selection import Selection

PATH: Final = "/v1/replays"
OPEN_MAX: Final = 20
"""Jobs of one organization that have not ended."""
_LISTING: Final = "replays"


def create(
    request: Request,
    caller: Replaying,
    body: Annotated[bytes, Depends(json_body)],
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Ask for a replay. With an `Idempotency-Key` that was used before it is the same one, not another."""
    services: Services = request.app.state.services
    asked = read(NewReplay, body)
    _check(asked, services, caller)
    wanted = ReplayRequest(
        job=_name(services, caller, key),
        requested_by=f"key:{caller.key_id}",
        requested_at=services.clock_ms(),
        selection=selection_of(asked.selection, caller.organization),
        why=asked.why,
        rate_per_s=asked.rate_per_s,
        target=asked.target,
    )
    known = services.jobs.find(wanted.job)
    if known is not None:
        _require_same(known.request, wanted)
        return _answer(known, 202)
    _require_room(services, caller)
    _write(lambda: services.jobs.request(wanted))
    return _answer(services.jobs.find(wanted.job) or Job(wanted), 202)


async def preview(
    request: Request, caller: Replaying, body: Annotated[bytes, Depends(json_body)]
) -> JSONResponse:
    """Count what a selection means, and show some of it. Nothing is sent."""
    services: Services = request.app.state.services
    asked = read(Preview, body).selection
    _check_reason(asked)
    wanted = selection_of(asked, caller.organization)
    found = await services.log.ask(_Counted(wanted, replay_preview.event_types(wanted, services.systems)))
    return JSONResponse(found)


async def list_(request: Request, caller: Replaying, query: Annotated[Paging, Query()]) -> JSONResponse:
    """List the organization's replays, the newest first."""
    services: Services = request.app.state.services
    after = cursor.required(caller.organization, _LISTING, query.after)
    own = [job for job in services.jobs.all() if job.request.selection.organization == caller.organization]
    behind = sorted(
        (job for job in own if after is None or _position(job) < after), key=_position, reverse=True
    )
    page = behind[: query.limit]
    more = len(behind) > query.limit
    return JSONResponse(
        {
            "data": [shown(job) for job in page],
            "next": cursor.encode(caller.organization, _LISTING, _position(page[-1])) if more else None,
        }
    )


async def get(request: Request, caller: Replaying, replay_id: str) -> JSONResponse:
    """Show a replay and how far it has come."""
    return _answer(_own(request, caller, replay_id), 200)


def pause(request: Request, caller: Replaying, replay_id: str) -> JSONResponse:
    """Let a replay wait; what it has written already is delivered."""
    return _steer(request, caller, replay_id, "pause")


def resume(request: Request, caller: Replaying, replay_id: str) -> JSONResponse:
    """Let a replay that waits go on."""
    return _steer(request, caller, replay_id, "run")


def cancel(request: Request, caller: Replaying, replay_id: str) -> JSONResponse:
    """End a replay for good; what it has written already is delivered."""
    return _steer(request, caller, replay_id, "cancel")


def selection_of(asked: ReplaySelection, organization: str) -> Selection:
    """Return the selection that was asked for, of one organization."""
    return Selection(
        organization=organization,
        subscription_id=asked.webhook_id,
        event_type=asked.event_type,
        reason=asked.reason,
        fault=asked.fault,
        http_status=asked.http_status,
        since=asked.since,
        until=asked.until,
        delivery_id=asked.delivery_id,
        error_text=asked.q,
    )


def shown(job: Job) -> dict[str, Any]:
    """Return a job as its organization sees it."""
    request, progress, selection = job.request, job.progress, job.request.selection
    return {
        "id": request.job,
        "kind": request.kind,
        "state": job.state,
        "wanted": job.wanted,
        "selection": {
            "webhook_id": selection.subscription_id,
            "event_type": selection.event_type,
            "reason": selection.reason,
            "fault": selection.fault,
            "http_status": selection.http_status,
            "since": moment(selection.since),
            "until": moment(selection.until),
            "delivery_id": selection.delivery_id,
            "q": selection.error_text,
        },
        "target": request.target,
        "why": request.why,
        "requested_by": request.requested_by,
        "requested_at": moment(request.requested_at),
        "rate_per_s": request.rate_per_s,
        "selected": None if progress is None else progress.selected,
        "replayed": 0 if progress is None else progress.replayed,
        "read": 0 if progress is None else progress.read,
        "eta_s": job.eta_s,
        "error": None if progress is None else progress.error,
        "updated_at": None if progress is None else moment(progress.updated_at),
    }


@dataclass(frozen=True, slots=True)
class _Counted:
    selection: Selection
    event_types: tuple[str, ...] | None

    def __call__(self, connection: Connection) -> Mapping[str, Any]:
        counted = connection.execute(replay_preview.reasons(self.selection, self.event_types)).all()
        rows = connection.execute(replay_preview.sample(self.selection, self.event_types)).all()
        total = sum(row.number for row in counted)
        return {
            "deliveries": min(total, replay_preview.COUNT_MAX),
            "more": total > replay_preview.COUNT_MAX,
            "by_reason": {row.reason or "unknown": row.number for row in counted},
            "sample": [item(row._asdict()) for row in rows],
        }


def _name(services: Services, caller: Caller, key: str | None) -> str:
    if key is not None:
        return f"rpl-{derived(key, caller.organization, _LISTING)}"
    return jobs.new_name("replay", services.clock_ms(), os.urandom(8))


def _check(asked: NewReplay, services: Services, caller: Caller) -> None:
    if asked.target is not None and services.directory.get(caller.organization, asked.target) is None:
        raise invalid_body([Fault(field="target", reason="is no webhook of this organization")])
    _check_reason(asked.selection)


def _check_reason(asked: ReplaySelection) -> None:
    if asked.reason is not None and asked.reason not in REASONS:
        there_are = ", ".join(sorted(REASONS))
        raise invalid_body([Fault(field="selection.reason", reason=f"is none; there are {there_are}")])


def _require_same(known: ReplayRequest, wanted: ReplayRequest) -> None:
    same = all(
        getattr(known, name) == getattr(wanted, name) for name in ("selection", "why", "rate_per_s", "target")
    )
    if not same:
        told = f"this Idempotency-Key was used for another request, which made {known.job}"
        raise Problem(422, "idempotency_key_reused", told)


def _require_room(services: Services, caller: Caller) -> None:
    unfinished = sum(
        job.state not in ENDED and job.request.selection.organization == caller.organization
        for job in services.jobs.all()
    )
    if unfinished >= OPEN_MAX:
        told = f"{unfinished} replays of this organization have not ended yet: wait for one, or cancel it"
        raise Problem(409, "too_many_replays", told)


def _steer(request: Request, caller: Caller, replay_id: str, wanted: Wanted) -> JSONResponse:
    services: Services = request.app.state.services
    job = _own(request, caller, replay_id)
    refusal = jobs.refusal(job, wanted)
    if refusal is not None:
        raise Problem(409, "replay_ended", refusal)
    control = JobControl(replay_id, wanted, f"key:{caller.key_id}", services.clock_ms())
    _write(lambda: services.jobs.control(control))
    return _answer(services.jobs.find(replay_id) or job, 202)


def _write(write: Callable[[], None]) -> None:
    try:
        write()
    except NotAcknowledged as error:
        raise unavailable(f"{error}; it may or may not be done, the list of replays will tell") from error


def _own(request: Request, caller: Caller, replay_id: str) -> Job:
    services: Services = request.app.state.services
    job = services.jobs.find(replay_id)
    if job is None or job.request.selection.organization != caller.organization:
        raise not_found("replay")
    return job


def _position(job: Job) -> cursor.Position:
    return job.request.requested_at, job.request.job


def _answer(job: Job, status: int) -> JSONResponse:
    return JSONResponse(shown(job), status)
