"""What a selection of dead letters means, asked of the delivery log: it answers at once where Kafka would be read.

The log knows deliveries that are dead now. A dead letter whose delivery was sent again since, and is not dead any more,
still lies in its topic: a replay takes it too, and no preview counts it.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select

from control.log_search import SHOWN, UNDELIVERED_INDEX, WEBHOOK_UNDELIVERED_INDEX, by_index
from tocsin import patterns
from tocsin.ledger.tables import UNDELIVERED, deliveries
from tocsin.selection import Selection
from tocsin.wire.systems import Systems

COUNT_MAX: Final = 200_000
SAMPLES: Final = 10

_C: Final = deliveries.c


def event_types(selection: Selection, systems: Systems) -> tuple[str, ...] | None:
    """Return the event types that a selection's glob names; None where it has none."""
    glob = selection.event_type
    if glob is None:
        return None
    if "*" not in glob:
        return (glob,)
    names = {name for system in systems.values() for name in (*system.event_types, *system.notices)}
    return tuple(sorted(name for name in names if patterns.matches(glob, name)))


def reasons(selection: Selection, types: tuple[str, ...] | None) -> Select[*tuple[Any, ...]]:
    """Return the query for the number of dead letters by reason, up to one more than `COUNT_MAX` in all."""
    found = by_index(select(_C.reason).where(*_meant(selection, types)), _index(selection))
    newest = found.order_by(_C.created_at.desc()).limit(COUNT_MAX + 1).subquery()
    return select(newest.c.reason, func.count().label("number")).group_by(newest.c.reason)


def sample(selection: Selection, types: tuple[str, ...] | None) -> Select[*tuple[Any, ...]]:
    """Return the query for some of the newest."""
    found = by_index(select(*SHOWN).where(*_meant(selection, types)), _index(selection))
    return found.order_by(_C.created_at.desc(), _C.delivery_id.desc()).limit(SAMPLES)


def _index(selection: Selection) -> str:
    return UNDELIVERED_INDEX if selection.subscription_id is None else WEBHOOK_UNDELIVERED_INDEX


def _meant(selection: Selection, types: tuple[str, ...] | None) -> list[ColumnElement[bool]]:
    wanted: list[Any] = [UNDELIVERED, _C.status == "dead"]
    if selection.subscription_id is None:
        wanted.append(_C.organization == selection.organization)
    else:
        wanted += [
            _C.subscription_id == selection.subscription_id,
            _C.organization == selection.organization,
        ]
    if types is not None:
        wanted.append(_C.event_type.in_(types))
    for column, value in (
        (_C.reason, selection.reason),
        (_C.fault, selection.fault),
        (_C.last_status, selection.http_status),
        (_C.delivery_id, selection.delivery_id),
    ):
        if value is not None:
            wanted.append(column == value)
    if selection.since is not None:
        wanted.append(_C.decided_at >= selection.since)
    if selection.until is not None:
        wanted.append(_C.decided_at < selection.until)
    if selection.error_text is not None:
        wanted.append(_C.last_error.icontains(selection.error_text, autoescape=True))
    return wanted
