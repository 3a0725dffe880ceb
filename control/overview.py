"""`GET /v1/overview`: an organization's deliveries at a glance; with the scope `operate`, the installation's too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse
from sqlalchemy import ColumnElement, Connection

from control import log_counts, replay_preview
from control.auth import Reading
from control.backlog import Backlog
from control.log_representation import moment
from control.services import Services
from tocsin import purges
from tocsin.errors import KafkaUnavailable
from tocsin.keys import OPERATE
from tocsin.ledger.store import delay_ms

PATH: Final = "/v1/overview"
MINUTES: Final = 60

_log = logging.getLogger("tocsin.control")


async def get(request: Request, caller: Reading) -> JSONResponse:
    """Show the last hour, what waits, and what is dead; some of it up to two seconds old."""
    services: Services = request.app.state.services

    async def counted() -> dict[str, Any]:
        struck = purges.done(services.jobs.all())
        spared = replay_preview.spared(caller.organization, struck, services.systems)
        return await services.log.ask(_Question(caller.organization, services.clock_ms(), spared))

    async def measured() -> Backlog | None:
        return await asyncio.to_thread(_measured, services)

    found = dict(await services.overviews.get(caller.organization, counted))
    backlog = await services.backlogs.get("", measured) if OPERATE in caller.scopes else None
    known = [services.standing(each).active for each in services.directory.of(caller.organization)]
    return JSONResponse(
        {
            "throughput": found["throughput"],
            "webhooks": {"active": sum(known), "disabled": len(known) - sum(known)},
            "backlog": found["backlog"] | installation(backlog),
            "dead_letters": found["dead_letters"],
            "store": found["store"],
            "counted_to": log_counts.COUNT_MAX,
        }
    )


def installation(backlog: Backlog | None) -> dict[str, Any]:
    """Return what waits in the whole installation; nulls where that is not told."""
    if backlog is None:
        return {"live": None, "due": None, "tiers": None}
    return {
        "live": backlog.live,
        "due": backlog.due,
        "tiers": {
            tier: {"waiting": each.count, "oldest_age_s": each.oldest_age_s}
            for tier, each in backlog.tiers.items()
        },
    }


def _measured(services: Services) -> Backlog | None:
    try:
        return services.backlog()
    except KafkaUnavailable as error:
        _log.warning("the backlog is not known: %s", error)
        return None


@dataclass(frozen=True, slots=True)
class _Question:
    organization: str
    now_ms: int
    spared: Sequence[ColumnElement[bool]]

    def __call__(self, connection: Connection) -> dict[str, Any]:
        since_ms = self.now_ms - MINUTES * log_counts.MINUTE_MS
        rows = connection.execute(log_counts.throughput(self.organization, since_ms)).all()
        counted = [row._asdict() for row in rows]
        minutes = log_counts.minute_by_minute(counted, now_ms=self.now_ms, count=MINUTES)
        waiting = {
            status: connection.execute(log_counts.waiting(self.organization, status)).scalar_one()
            for status in ("pending", "retrying")
        }
        reasons = {
            reason or "unknown": number
            for reason, number in connection.execute(log_counts.reasons(self.organization, self.spared)).all()
        }
        delay = delay_ms(connection, self.now_ms)
        return {
            "throughput": [{"minute": moment(minute), **counts} for minute, counts in minutes],
            "backlog": waiting,
            "dead_letters": {"total": sum(reasons.values()), "by_reason": reasons},
            "store": {"delay_s": None if delay is None else delay / 1000},
        }
