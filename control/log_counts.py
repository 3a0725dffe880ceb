"""Counting in the delivery log: an endpoint's health, an organization's overview. Each query has its index. Pure.

What could be without bound is not counted beyond `COUNT_MAX`: a page that is looked at in an incident must come.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Subquery, func, select

from control.log_search import UNDELIVERED_INDEX, WEBHOOK_UNDELIVERED_INDEX, by_index
from tocsin.ledger.tables import UNDELIVERED, attempts, deliveries, health, minutes

COUNT_MAX: Final = 200_000
DURATIONS_MAX: Final = 1_000
"""How many of the newest requests tell how long one takes."""
MINUTE_MS: Final = 60_000

_D: Final = deliveries.c


def health_of(organization: str, webhook_id: str) -> Select[*tuple[Any, ...]]:
    """Return the query for what the ledger knows of an endpoint."""
    return select(health).where(health.c.subscription_id == webhook_id, health.c.organization == organization)


def sums(organization: str, webhook_id: str, since_ms: int) -> Select[int, int, int]:
    """Return the query for the counts of a webhook since a minute."""
    return select(*(func.coalesce(func.sum(column), 0).label(column.name) for column in _COUNTED)).where(
        minutes.c.organization == organization,
        minutes.c.subscription_id == webhook_id,
        minutes.c.minute >= since_ms,
    )


def durations(webhook_id: str, since_ms: int) -> Select[float]:
    """Return the query for how long the newest requests of a webhook took, milliseconds."""
    return (
        select(attempts.c.duration_ms)
        .where(
            attempts.c.subscription_id == webhook_id,
            attempts.c.started_at >= since_ms,
            attempts.c.posted.is_(True),
        )
        .order_by(attempts.c.started_at.desc())
        .limit(DURATIONS_MAX)
    )


def oldest(webhook_id: str, status: str) -> Select[int]:
    """Return the query for when the oldest of a webhook's deliveries with a status was created."""
    waits = select(_D.created_at).where(UNDELIVERED, _D.subscription_id == webhook_id, _D.status == status)
    return by_index(waits, WEBHOOK_UNDELIVERED_INDEX).order_by(_D.created_at).limit(1)


def throughput(organization: str, since_ms: int) -> Select[*tuple[Any, ...]]:
    """Return the query for an organization's counts, minute by minute."""
    return (
        select(minutes.c.minute, *(func.sum(column).label(column.name) for column in _COUNTED))
        .where(minutes.c.organization == organization, minutes.c.minute >= since_ms)
        .group_by(minutes.c.minute)
    )


def waiting(organization: str, status: str) -> Select[int]:
    """Return the query for how many of an organization's deliveries have a status, `COUNT_MAX` at most."""
    return select(func.count()).select_from(_newest(organization, status, _D.created_at))


def reasons(organization: str, spared: Sequence[ColumnElement[bool]] = ()) -> Select[*tuple[Any, ...]]:
    """Return the query for how many of an organization's newest dead letters there are by reason.

    Args:
        spared: Conditions that leave out what was purged.
    """
    newest = _newest(organization, "dead", _D.reason, spared)
    return select(newest.c.reason, func.count().label("number")).group_by(newest.c.reason)


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least a share of all values does not exceed; None of no values."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else None


def success_rate(delivered: int, failed: int) -> float | None:
    """Return the share of requests that succeeded; None without any."""
    return delivered / (delivered + failed) if delivered + failed else None


def minute_by_minute(
    counted: Iterable[Mapping[str, Any]], *, now_ms: int, count: int
) -> list[tuple[int, Mapping[str, int]]]:
    """Return the newest minutes, oldest first, those without any count too.

    Args:
        counted: Rows as `throughput` finds them.
        count: How many minutes.
    """
    known = {row["minute"]: row for row in counted}
    last = now_ms - now_ms % MINUTE_MS
    none = {column.name: 0 for column in _COUNTED}
    return [
        (minute, {name: int(known.get(minute, none)[name]) for name in none})
        for minute in range(last - (count - 1) * MINUTE_MS, last + 1, MINUTE_MS)
    ]


def _newest(
    organization: str, status: str, column: Any, spared: Sequence[ColumnElement[bool]] = ()
) -> Subquery:
    own = select(column).where(UNDELIVERED, _D.organization == organization, _D.status == status, *spared)
    return by_index(own, UNDELIVERED_INDEX).order_by(_D.created_at.desc()).limit(COUNT_MAX).subquery()


_COUNTED: Final = (minutes.c.delivered, minutes.c.failed, minutes.c.dead)
