"""What a selection of dead letters means, asked of the delivery log: it answers at once where Kafka would be read.

The log knows deliveries that are dead now. A dead letter whose delivery was sent again since, and is not dead any more,
still lies in its topic: a replay takes it too, and no preview counts it. What was purged is not counted: of a dead letter
the log knows no offset, so it is told by when it was decided and when the purge began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, false, func, not_, select

from control.log_search import SHOWN, UNDELIVERED_INDEX, WEBHOOK_UNDELIVERED_INDEX, by_index
from tocsin import patterns
from tocsin.ledger.tables import UNDELIVERED, deliveries
from tocsin.purges import Purge
from tocsin.selection import Selection
from tocsin.wire.systems import Systems

COUNT_MAX: Final = 200_000
SAMPLES: Final = 10
STRUCK_MAX: Final = 100
"""How many purges are honoured, the newest: a database takes no statement of any length."""

_C: Final = deliveries.c


@dataclass(frozen=True, slots=True)
class Meant:
    """What is counted.

    Attributes:
        selection: It names an organization.
        systems: The contracts: they say which event types a glob names.
        struck: The purges that are done, the oldest first; those of others may be among them.
    """

    selection: Selection
    systems: Systems
    struck: Sequence[Purge] = ()


def event_types(selection: Selection, systems: Systems) -> tuple[str, ...] | None:
    """Return the event types that a selection's glob names; None where it has none."""
    glob = selection.event_type
    if glob is None:
        return None
    if "*" not in glob:
        return (glob,)
    names = {name for system in systems.values() for name in (*system.event_types, *system.notices)}
    return tuple(sorted(name for name in names if patterns.matches(glob, name)))


def causes(meant: Meant) -> Select[*tuple[Any, ...]]:
    """Return the query for the number of dead letters by reason and fault, to one more than `COUNT_MAX` in all."""
    found = by_index(select(_C.reason, _C.fault).where(*_meant(meant)), _index(meant.selection))
    newest = found.order_by(_C.created_at.desc()).limit(COUNT_MAX + 1).subquery()
    return select(newest.c.reason, newest.c.fault, func.count().label("number")).group_by(
        newest.c.reason, newest.c.fault
    )


def sample(meant: Meant) -> Select[*tuple[Any, ...]]:
    """Return the query for some of the newest."""
    found = by_index(select(*SHOWN).where(*_meant(meant)), _index(meant.selection))
    return found.order_by(_C.created_at.desc(), _C.delivery_id.desc()).limit(SAMPLES)


def spared(organization: str, struck: Sequence[Purge], systems: Systems) -> list[ColumnElement[bool]]:
    """Return the conditions that leave out what purges have struck off.

    Args:
        organization: Whose dead letters are asked for; purges of others are passed over.
    """
    own = [purge for purge in struck if purge.selection.organization in (None, organization)]
    return [
        # What is null in a row is not what a purge means, and must not make the whole null.
        not_(func.coalesce(and_(_C.decided_at < purge.at, *_fits(purge.selection, systems)), false()))
        for purge in own[-STRUCK_MAX:]
    ]


def _index(selection: Selection) -> str:
    return UNDELIVERED_INDEX if selection.subscription_id is None else WEBHOOK_UNDELIVERED_INDEX


def _meant(meant: Meant) -> list[ColumnElement[bool]]:
    dead: list[Any] = [UNDELIVERED, _C.status == "dead"]
    organization = meant.selection.organization or ""
    return [
        *dead,
        *_fits(meant.selection, meant.systems),
        *spared(organization, meant.struck, meant.systems),
    ]


def _fits(selection: Selection, systems: Systems) -> list[ColumnElement[bool]]:
    """Return the conditions that a selection makes."""
    wanted: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (_C.subscription_id, selection.subscription_id),
            (_C.organization, selection.organization),
            (_C.system, selection.system),
            (_C.reason, selection.reason),
            (_C.fault, selection.fault),
            (_C.last_status, selection.http_status),
            (_C.delivery_id, selection.delivery_id),
        )
        if value is not None
    ]
    types = event_types(selection, systems)
    if types is not None:
        wanted.append(_C.event_type.in_(types))
    if selection.since is not None:
        wanted.append(_C.decided_at >= selection.since)
    if selection.until is not None:
        wanted.append(_C.decided_at < selection.until)
    if selection.error_text is not None:
        wanted.append(_C.last_error.icontains(selection.error_text, autoescape=True))
    return wanted
