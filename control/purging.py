"""`/v1/purges`: dead letters struck off every list, count and replay, after asking twice.

The preview says how many are meant, and the request must name that number. It is counted in Kafka both times, and what
dies after the second is not meant: a purge is never about anything that nobody has counted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from control import asking, replays
from control.archive_models import NewPurge, PurgePreview
from control.auth import Administering
from control.log_representation import moment
from control.models import read
from control.services import Services
from tocsin.deadletters import DeadLetter
from tocsin.http.bodies import json_body
from tocsin.http.problems import Problem
from tocsin.selection import Selection
from tocsin.tally import Tally

PATH: Final = "/v1/purges"


async def create(
    request: Request, caller: Administering, body: Annotated[bytes, Depends(json_body)]
) -> JSONResponse:
    """Strike dead letters off for good: a job like a replay.

    Their bytes stay in Kafka until the topic's retention takes them.
    """
    services: Services = request.app.state.services
    asked = read(NewPurge, body)
    replays.check_reason(asked.selection)
    selection = replays.selection_of(asked.selection, caller.organization)
    found = await _counted(services, selection)
    if found.letters != asked.confirm:
        told = (
            f"{found.letters} dead letters are meant, not {asked.confirm}: nothing was done; "
            f"count again with {PATH}/preview, and name its number"
        )
        raise Problem(409, "other_number", told)
    bounded = replace(selection, until=_until(selection, found))
    job = await run_in_threadpool(
        asking.submit, services, caller, "purge", bounded, asked.why, end_offsets=found.ends
    )
    return replays.answer(job, 202)


async def preview(
    request: Request, caller: Administering, body: Annotated[bytes, Depends(json_body)]
) -> JSONResponse:
    """Count what a purge would strike off, and show some of it. Nothing is done."""
    services: Services = request.app.state.services
    asked = read(PurgePreview, body).selection
    replays.check_reason(asked)
    found = await _counted(services, replays.selection_of(asked, caller.organization))
    return JSONResponse(
        {
            "dead_letters": found.letters,
            "deliveries": found.deliveries,
            "by_reason": found.reasons,
            "by_fault": {fault or "nobody": number for fault, number in found.faults.items()},
            "sample": [shown(letter) for letter in found.samples],
        }
    )


def shown(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter as a preview shows it."""
    return {
        "delivery_id": letter.delivery_id,
        "webhook_id": letter.subscription_id,
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "reason": letter.reason,
        "fault": letter.fault,
        "http_status": letter.status,
        "error": letter.error,
        "attempts": letter.attempts,
        "dead_since": moment(letter.timestamp_ms),
    }


async def _counted(services: Services, selection: Selection) -> Tally:
    return await services.reading.ask(
        selection.organization or "",
        lambda check: services.archive.count(selection, check),
        less="ask for a shorter time, or one webhook",
    )


def _until(selection: Selection, found: Tally) -> int:
    """Return until when dead letters are meant: by this a replay program that knows no ends is bounded."""
    counted = found.newest_ms + 1
    return counted if selection.until is None else min(selection.until, counted)
