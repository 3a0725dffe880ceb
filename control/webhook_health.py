"""`GET /v1/webhooks/{id}/health`: whether an endpoint takes what it is sent, and how well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from control import log_counts
from control.auth import Reading
from control.log_representation import moment
from control.services import Services
from tocsin.subscriptions import Subscription

DAY_MS: Final = 86_400_000
_WAITING: Final = ("pending", "retrying")


@dataclass(frozen=True, slots=True)
class Findings:
    """What the log says of an endpoint; times in milliseconds since the epoch.

    Attributes:
        health: The ledger's row, or None.
        counts: `delivered`, `failed` and `dead` of the last 24 hours.
        durations_ms: How long the newest requests took, shortest first.
        oldest_at: When the oldest delivery that waits was created, or None.
    """

    health: Mapping[str, Any] | None
    counts: Mapping[str, int]
    durations_ms: list[float]
    oldest_at: int | None


async def get(request: Request, caller: Reading, webhook_id: str) -> JSONResponse:
    """Show how an endpoint does: counts and times of the last 24 hours, and what waits for it."""
    services: Services = request.app.state.services
    webhook = services.webhook(caller.organization, webhook_id)
    now_ms = services.clock_ms()
    findings = await services.log.ask(_Question(webhook, now_ms - DAY_MS))
    return JSONResponse(shown(services.standing(webhook), findings, now_ms))


def shown(webhook: Subscription, found: Findings, now_ms: int) -> dict[str, Any]:
    """Return an endpoint's health as its owner sees it."""
    health = found.health or {}
    # What was found of an earlier generation ended when its owner enabled or redirected the endpoint.
    current = health if health.get("generation", 0) >= webhook.generation else {}
    delivered, failed = found.counts["delivered"], found.counts["failed"]
    return {
        "active": webhook.active,
        "disabled_reason": webhook.inactive_reason,
        "consecutive_failures": current.get("consecutive_failures", 0),
        "failing_since": moment(current.get("failing_since")),
        "last_success_at": moment(health.get("last_success_at")),
        "last_failure_at": moment(health.get("last_failure_at")),
        "success_rate": log_counts.success_rate(delivered, failed),
        **found.counts,
        "oldest_undelivered_age_s": None
        if found.oldest_at is None
        else max(now_ms - found.oldest_at, 0) / 1000,
        "p50_ms": log_counts.percentile(found.durations_ms, 0.50),
        "p95_ms": log_counts.percentile(found.durations_ms, 0.95),
    }


@dataclass(frozen=True, slots=True)
class _Question:
    webhook: Subscription
    since_ms: int

    def __call__(self, connection: Connection) -> Findings:
        organization, webhook_id = self.webhook.organization, self.webhook.id
        health = connection.execute(log_counts.health_of(organization, webhook_id)).mappings().one_or_none()
        minute = self.since_ms - self.since_ms % log_counts.MINUTE_MS
        sums = connection.execute(log_counts.sums(organization, webhook_id, minute)).mappings().one()
        durations = connection.execute(log_counts.durations(webhook_id, self.since_ms)).scalars()
        ages = [connection.execute(log_counts.oldest(webhook_id, status)).scalar() for status in _WAITING]
        return Findings(
            None if health is None else dict(health),
            {name: int(value) for name, value in sums.items()},
            sorted(durations),
            min((each for each in ages if each is not None), default=None),
        )
