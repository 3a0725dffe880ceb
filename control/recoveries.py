"""`/v1/recoveries`: what a webhook missed is delivered to it: while it failed, was disabled, or before it was made."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from control import asking, missing, replays
from control.archive_models import NewRecovery, RecoveryPreview
from control.auth import Replaying
from control.idempotency import IdempotencyKey
from control.models import read
from control.services import Services
from tocsin.http.bodies import json_body
from tocsin.http.problems import Problem
from tocsin.missed import MISSED
from tocsin.selection import Selection

PATH: Final = "/v1/recoveries"
SAMPLES: Final = 10


def create(
    request: Request,
    caller: Replaying,
    body: Annotated[bytes, Depends(json_body)],
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Ask for a recovery: a job like a replay. With an `Idempotency-Key` that was used before it is the same one.

    Taken are the events that the webhook wants today and that were never sent to it, or are dead; what is on its way
    is left alone.
    """
    services: Services = request.app.state.services
    asked = read(NewRecovery, body)
    webhook = services.named_webhook(caller.organization, asked.webhook_id, "webhook_id")
    if not services.standing(webhook).active:
        told = "the webhook is disabled; enable it first, or all of it becomes dead letters"
        raise Problem(409, "webhook_disabled", told)
    selection = Selection(
        organization=caller.organization, subscription_id=webhook.id, since=asked.since, until=asked.until
    )
    job = asking.submit(
        services, caller, "recover", selection, asked.why, key=key, rate_per_s=asked.rate_per_s
    )
    return replays.answer(job, 202)


async def preview(
    request: Request, caller: Replaying, body: Annotated[bytes, Depends(json_body)]
) -> JSONResponse:
    """Count what a recovery would send, and show some of it. Nothing is sent."""
    services: Services = request.app.state.services
    asked = read(RecoveryPreview, body)
    webhook = services.named_webhook(caller.organization, asked.webhook_id, "webhook_id")
    found = await missing.look(services, webhook, asked.since, asked.until, limit=SAMPLES)
    return JSONResponse(
        {
            "deliveries": sum(found.counts[fate] for fate in MISSED),
            "counts": missing.counts(found),
            "sample": [missing.shown(looked) for looked in found.rows[:SAMPLES]],
        }
    )
