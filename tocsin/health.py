"""Endpoint health: which endpoints are disabled because they fail. Values only; the ledger writes them, all others read.

A disabled endpoint is one generation of a subscription. Its owner enables it again by raising the generation, which
the control API alone writes; so an enabling and a disabling that cross each other do no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from tocsin.subscriptions import Subscription

Reason = Literal["consecutive_failures", "failing_too_long", "gone"]

_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Health:
    """What was found about one generation of a subscription; times are milliseconds since the epoch.

    Attributes:
        generation: It holds for this generation and those before it.
        reason: Why it is disabled; None when it is enabled again.
        since_ms: When the attempt ended that led to this.
        consecutive_failures: Attempts that failed in a row by then.
        failing_since_ms: When the first of them began, or None.
        last_status: HTTP status of the last of them; None when there was no answer.
        last_error: What it failed with.
    """

    subscription_id: str
    organization: str
    generation: int
    disabled: bool
    reason: Reason | None
    since_ms: int
    consecutive_failures: int = 0
    failing_since_ms: int | None = None
    last_status: int | None = None
    last_error: str | None = None


def to_record(health: Health) -> dict[str, Any]:
    """Return the Avro record of a health, `schemas/pipeline/endpoint_health.avsc`."""
    return {_FIELDS.get(name, name): getattr(health, name) for name in Health.__slots__}


def from_record(record: Mapping[str, Any]) -> Health:
    """Return the health that an Avro record holds."""
    return Health(**{name: record[_FIELDS.get(name, name)] for name in Health.__slots__})


def supersedes(new: Health, known: Health) -> bool:
    """Return whether a record takes the place of the one before it: what a crash lets repeat never goes back."""
    return new.generation >= known.generation


def disables(health: Health | None, subscription: Subscription) -> bool:
    """Return whether a subscription is disabled by its health; a later generation is not."""
    return health is not None and health.disabled and health.generation >= subscription.generation


def standing(subscription: Subscription, health: Health | None) -> Subscription:
    """Return a subscription as it stands, its health applied: the same object unless that disables it.

    What this returns is for reading. Written back, it would turn a finding into its owner's wish.
    """
    if health is None or not subscription.active or not disables(health, subscription):
        return subscription
    return replace(subscription, active=False, inactive_reason=told(health))


def told(health: Health) -> str:
    """Return why an endpoint is disabled, in words for its owner."""
    match health.reason:
        case "gone":
            return "it answered 410 Gone"
        case "failing_too_long":
            return (
                f"it has failed for {_span(health.since_ms - (health.failing_since_ms or health.since_ms))}"
            )
        case _:
            return f"{health.consecutive_failures} attempts in a row failed"


def _span(lasting_ms: int) -> str:
    for name, unit_ms in (("day", _DAY_MS), ("hour", _HOUR_MS)):
        if lasting_ms >= unit_ms:
            count = lasting_ms // unit_ms
            return f"{count} {name}{'s' * (count != 1)}"
    return f"{lasting_ms // 1000} s"


_FIELDS: Final[Mapping[str, str]] = {"since_ms": "since", "failing_since_ms": "failing_since"}
"""Names that differ in the record."""
