"""Selections: which dead letters are meant, by a list, a dry run, a replay and a purge alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tocsin import patterns
from tocsin.deadletters import DeadLetter

_SAME: Final = ("system", "organization", "subscription_id", "reason", "fault", "delivery_id")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters are meant: those that fit all it says. None means any.

    Attributes:
        subscription_id: Those for this subscription.
        reason: Those with this reason, one of `deliveries.REASONS`.
        since: Those the broker took at this moment or later, milliseconds since the epoch.
        until: Those the broker took before this moment.
        system: Those of this system's events.
        organization: Those of this tenant.
        event_type: Those of this event type; a glob such as `drift.*`, as subscriptions have.
        fault: Those that were this one's fault: `subscriber` or `tocsin`.
        http_status: Those whose last attempt was answered with this status.
        delivery_id: Those of this delivery.
        error_text: Those whose last error has this text in it, in capitals or not.
    """

    subscription_id: str | None = None
    reason: str | None = None
    since: int | None = None
    until: int | None = None
    system: str | None = None
    organization: str | None = None
    event_type: str | None = None
    fault: str | None = None
    http_status: int | None = None
    delivery_id: str | None = None
    error_text: str | None = None


def matches(selection: Selection, letter: DeadLetter) -> bool:
    """Return whether a dead letter is among those meant."""
    return (
        all(getattr(selection, name) in (None, getattr(letter, name)) for name in _SAME)
        and selection.http_status in (None, letter.status)
        and (selection.since is None or letter.timestamp_ms >= selection.since)
        and (selection.until is None or letter.timestamp_ms < selection.until)
        and (selection.event_type is None or patterns.matches(selection.event_type, letter.event_type))
        and (selection.error_text is None or _says(letter.error, selection.error_text))
    )


def given(selection: Selection) -> dict[str, Any]:
    """Return what a selection says, without what it leaves open."""
    fields = {name: getattr(selection, name) for name in Selection.__slots__}
    return {name: value for name, value in fields.items() if value is not None}


def _says(error: str | None, text: str) -> bool:
    return error is not None and text.casefold() in error.casefold()
