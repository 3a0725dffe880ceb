"""Searching the delivery log: which rows, by which index, a page at a time. Pure.

A page is the newest first, and ends where the next begins: at a row's time of creation and its id, which never change.
So pages have neither gaps nor repeats while rows are added.

Each search walks down one index, chosen here: SQLite keeps no statistics to choose by, and is told its name. What that
index does not know is looked up row by row, which could mean reading all there is. So a page looks at `SIEVED_MAX` rows
at most and says where it stopped, however little it found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, literal, select, tuple_

from control.cursor import Position
from tocsin.ledger.tables import UNDELIVERED, deliveries

SIEVED_MAX: Final = 10_000
"""Some tens of milliseconds on SQLite."""

UNDELIVERED_INDEX: Final = "ix_deliveries_undelivered"
WEBHOOK_UNDELIVERED_INDEX: Final = "ix_deliveries_oldest"

S = TypeVar("S", bound=Select[*tuple[Any, ...]])

_C: Final = deliveries.c
_PLACE: Final = tuple_(_C.created_at, _C.delivery_id)

SHOWN: Final = (
    _C.delivery_id,
    _C.subscription_id,
    _C.event_id,
    _C.event_type,
    _C.status,
    _C.attempts,
    _C.last_status,
    _C.last_error,
    _C.reason,
    _C.fault,
    _C.created_at,
    _C.decided_at,
    _C.next_at,
    _C.test,
)
"""What a listing shows of a delivery."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: deliveries that fit all of it; None means any.

    Attributes:
        organization: Whose; there is no search over several.
        since: Created at this moment or later, milliseconds since the epoch.
        until: Created before this moment.
        text: In the last error, in capitals or not.
    """

    organization: str
    webhook_id: str | None = None
    event_type: str | None = None
    status: str | None = None
    reason: str | None = None
    fault: str | None = None
    http_status: int | None = None
    since: int | None = None
    until: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows with the columns of `SHOWN`, and behind which position the next page begins; None on the last."""

    rows: Sequence[Row[Any]]
    next: Position | None


def find(
    connection: Connection,
    search: Search,
    *,
    after: Position | None = None,
    limit: int,
    sieved_max: int = SIEVED_MAX,
) -> Page:
    """Return a page.

    Args:
        connection: To the store.
        search: What is looked for.
        after: Behind which position it begins; None for the first page.
        limit: How many rows it has at most.
        sieved_max: How many rows may be looked at, found or not.
    """
    query = floor(search, after, sieved_max)
    bound = None if query is None else connection.execute(query).one_or_none()
    down_to = None if bound is None else (bound.created_at, bound.delivery_id)
    found = connection.execute(rows(search, after, down_to, limit)).all()
    if len(found) > limit:
        last = found[limit - 1]
        return Page(found[:limit], (last.created_at, last.delivery_id))
    return Page(found, down_to)


def floor(search: Search, after: Position | None, sieved_max: int) -> Select[int, str] | None:
    """Return the query for the last position that a page may look at; None if all it looks at is found."""
    if not _sieve(search):
        return None
    walked = by_index(select(_C.created_at, _C.delivery_id).where(*_walked(search, after)), _index(search))
    return walked.order_by(*_NEWEST_FIRST).offset(sieved_max - 1).limit(1)


def rows(
    search: Search, after: Position | None, down_to: Position | None, limit: int
) -> Select[*tuple[Any, ...]]:
    """Return the query for the rows of a page, and one more.

    Args:
        search: What is looked for.
        after: Behind which position it begins.
        down_to: The last position that may be looked at; None for the end.
        limit: How many rows a page has.
    """
    found = by_index(select(*SHOWN).where(*_walked(search, after), *_sieve(search)), _index(search))
    if down_to is not None:
        found = found.where(_position(down_to) <= _PLACE)
    return found.order_by(*_NEWEST_FIRST).limit(limit + 1)


def by_index(query: S, name: str) -> S:
    """Return a query of deliveries that SQLite answers by the index named; PostgreSQL chooses for itself."""
    hinted: S = query.with_hint(deliveries, f"INDEXED BY {name}", "sqlite")
    return hinted


def _walked(search: Search, after: Position | None) -> list[ColumnElement[bool]]:
    """What the index answers: two equal columns at most, and a range of positions."""
    conditions = _of_index(search)
    if search.since is not None:
        conditions.append(_C.created_at >= search.since)
    if search.until is not None:
        conditions.append(_C.created_at < search.until)
    if after is not None:
        conditions.append(_position(after) > _PLACE)
    return conditions


def _index(search: Search) -> str:
    if _by_status(search):
        return UNDELIVERED_INDEX if search.webhook_id is None else WEBHOOK_UNDELIVERED_INDEX
    if search.webhook_id is not None:
        return "ix_deliveries_subscription_id_created_at_delivery_id"
    if search.event_type is not None:
        return "ix_deliveries_organization_event_type_created_at_delivery_id"
    return "ix_deliveries_organization_created_at_delivery_id"


def _of_index(search: Search) -> list[ColumnElement[bool]]:
    owned = _C.organization == search.organization
    if _by_status(search):
        narrow = owned if search.webhook_id is None else _C.subscription_id == search.webhook_id
        also = [] if search.webhook_id is None else [_C.organization == search.organization]
        return [_undelivered(), narrow, _C.status == search.status, *also]
    if search.webhook_id is not None:
        return [_C.subscription_id == search.webhook_id, _C.organization == search.organization]
    return [owned] if search.event_type is None else [owned, _C.event_type == search.event_type]


def _sieve(search: Search) -> list[ColumnElement[bool]]:
    """What is looked up in the row itself."""
    wanted: list[ColumnElement[bool]] = []
    if search.event_type is not None and (_by_status(search) or search.webhook_id is not None):
        wanted.append(_C.event_type == search.event_type)
    if search.status is not None and not _by_status(search):
        wanted.append(_C.status == search.status)
    if search.reason is not None:
        wanted.append(_C.reason == search.reason)
    if search.fault is not None:
        wanted.append(_C.fault == search.fault)
    if search.http_status is not None:
        wanted.append(_C.last_status == search.http_status)
    if search.text is not None:
        wanted.append(_C.last_error.icontains(search.text, autoescape=True))
    return wanted


def _by_status(search: Search) -> bool:
    # What is delivered has no index of its own: it is nearly all there is.
    return search.status not in (None, "delivered")


def _undelivered() -> ColumnElement[bool]:
    return UNDELIVERED  # type: ignore[return-value]


def _position(position: Position) -> Any:
    return tuple_(literal(position[0]), literal(position[1]))


_NEWEST_FIRST: Final = (_C.created_at.desc(), _C.delivery_id.desc())
