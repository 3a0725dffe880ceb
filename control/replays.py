"""`/v1/replays`: dead letters delivered again, as one job that can be watched, paused and cancelled.

Recoveries and purges are asked for elsewhere; they are jobs as well, and from then on looked after here.

Whatever is asked for, a replay concerns the key's organization alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from control import asking, cursor, replay_preview
from control.auth import Replaying
from control.idempotency import IdempotencyKey
from control.log_representation import item, moment
from control.models import read
from control.parameters import Paging
from control.replay_models import NewReplay, Preview, ReplaySelection
from control.replay_preview import Meant
from control.services import Services
from tocsin import jobs, purges
from tocsin.deliveries import REASONS
from tocsin.http.admission import Caller
from tocsin.http.bodies import json_body
from tocsin.http.problems import Fault, Problem, invalid_body, not_found
from tocsin.jobs import Job, JobControl, Wanted
from tocsin.selection import Selection

PATH: Final = "/v1/replays"
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
    job = asking.submit(
        services,
        caller,
        "replay",
        selection_of(asked.selection, caller.organization),
        asked.why,
        key=key,
        rate_per_s=asked.rate_per_s,
        target=asked.target,
    )
    return answer(job, 202)


async def preview(
    request: Request, caller: Replaying, body: Annotated[bytes, Depends(json_body)]
) -> JSONResponse:
    """Count what a selection means, and show some of it. Nothing is sent."""
    services: Services = request.app.state.services
    asked = read(Preview, body).selection
    check_reason(asked)
    wanted = selection_of(asked, caller.organization)
    struck = purges.done(services.jobs.all())
    found = await services.log.ask(_Counted(Meant(wanted, services.systems, struck)))
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
    return answer(_own(request, caller, replay_id), 200)


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


def answer(job: Job, status: int) -> JSONResponse:
    """Return the answer that shows a job."""
    return JSONResponse(shown(job), status)


def check_reason(asked: ReplaySelection) -> None:
    """Return if there is such a reason as a selection names, or if it names none; raises a `Problem` 400."""
    if asked.reason is not None and asked.reason not in REASONS:
        there_are = ", ".join(sorted(REASONS))
        raise invalid_body([Fault(field="selection.reason", reason=f"is none; there are {there_are}")])


def shown(job: Job) -> dict[str, Any]:
    """Return a job as its organization sees it."""
    request, progress, selection = job.request, job.progress, job.request.selection
    return {
        "id": request.job,
        "kind": request.kind,
        "state": job.state,
        "wanted": job.wanted,
        "selection": {
            "system": selection.system,
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
    meant: Meant

    def __call__(self, connection: Connection) -> Mapping[str, Any]:
        counted = connection.execute(replay_preview.causes(self.meant)).all()
        rows = connection.execute(replay_preview.sample(self.meant)).all()
        reasons, faults = Counter[str](), Counter[str]()
        for row in counted:
            reasons[row.reason or "unknown"] += row.number
            faults[row.fault or "nobody"] += row.number
        total = reasons.total()
        return {
            "deliveries": min(total, replay_preview.COUNT_MAX),
            "more": total > replay_preview.COUNT_MAX,
            "by_reason": reasons,
            "by_fault": faults,
            "sample": [item(row._asdict()) for row in rows],
        }


def _check(asked: NewReplay, services: Services, caller: Caller) -> None:
    if asked.target is not None:
        services.named_webhook(caller.organization, asked.target, "target")
    check_reason(asked.selection)


def _steer(request: Request, caller: Caller, replay_id: str, wanted: Wanted) -> JSONResponse:
    services: Services = request.app.state.services
    job = _own(request, caller, replay_id)
    refusal = jobs.refusal(job, wanted)
    if refusal is not None:
        raise Problem(409, "replay_ended", refusal)
    control = JobControl(replay_id, wanted, f"key:{caller.key_id}", services.clock_ms())
    asking.write(lambda: services.jobs.control(control))
    return answer(services.jobs.find(replay_id) or job, 202)


def _own(request: Request, caller: Caller, replay_id: str) -> Job:
    services: Services = request.app.state.services
    job = services.jobs.find(replay_id)
    if job is None or job.request.selection.organization != caller.organization:
        raise not_found("replay")
    return job


def _position(job: Job) -> cursor.Position:
    return job.request.requested_at, job.request.job
