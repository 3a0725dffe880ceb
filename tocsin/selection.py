"""Selections: which dead letters are meant, by a list, a dry run and a replay alike."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.deadletters import DeadLetter


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters are meant; None means any.

    Attributes:
        subscription_id: Those for this subscription.
        reason: Those with this reason, one of `deliveries.REASONS`.
        since: Those the broker took at this moment or later, milliseconds since the epoch.
        until: Those the broker took before this moment.
    """

    subscription_id: str | None = None
    reason: str | None = None
    since: int | None = None
    until: int | None = None


def matches(selection: Selection, letter: DeadLetter) -> bool:
    """Return whether a dead letter is among those meant."""
    return (
        selection.subscription_id in (None, letter.subscription_id)
        and selection.reason in (None, letter.reason)
        and (selection.since is None or letter.timestamp_ms >= selection.since)
        and (selection.until is None or letter.timestamp_ms < selection.until)
    )
