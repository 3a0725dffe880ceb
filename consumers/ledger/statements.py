"""The ledger's statements; the one place where it knows which database it talks to.

They are made by SQLAlchemy and turned to text once, and the driver gets the rows as they are: taking thousands of rows
through SQLAlchemy's own execution cost more than the database does. JSON columns therefore hold text already. Values of
many rows go by position: SQLite's driver looks each name up again for each row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Dialect,
    Insert,
    Table,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from consumers.ledger.projection import CONTENT, Row
from tocsin.ledger.tables import attempts, deliveries, health, minutes, positions

_DECISION = ("status", "run", "step", "reason", "fault", "next_at", "decided_at", "decided_offset")
_COUNTS = ("delivered", "failed", "dead", "parked")


_BY_POSITION: Final = {"sqlite": "qmark", "postgresql": "format"}


@dataclass(frozen=True, slots=True)
class Filling:
    """A statement that is executed with many rows at once.

    Attributes:
        values: Takes a row's values in the statement's order.
    """

    text: str
    values: Callable[[Row], tuple[Any, ...]]

    def execute(self, connection: Connection, rows: list[Row]) -> None:
        """Execute it with rows, if there are any."""
        if rows:
            connection.exec_driver_sql(self.text, list(map(self.values, rows)))


@dataclass(frozen=True, slots=True)
class Statements:
    """What the ledger says to its store; `health` and those below have named parameters in the driver's style.

    Attributes:
        told: Makes deliveries, or gives existing ones their content.
        decided: Makes deliveries, or gives existing ones their newest decision, and their content where that is known.
        attempts: Adds attempts; one that is there already is an integrity error.
        minutes: Adds to the counts of minutes.
        health: Sets what is known of endpoints.
        place: Sets positions that are not there, or are what they are expected to be.
        advance: Moves a position, if it is where it is expected to be.
        seen: Notes up to when a partition is projected, if nothing of it was since.
    """

    told: Filling
    decided: Filling
    attempts: Filling
    minutes: Filling
    health: str
    place: str
    advance: str
    seen: str


def statements(dialect: Dialect) -> Statements:
    """Return the statements for a database."""
    at = (
        positions.c.topic == bindparam("topic_"),
        positions.c.partition == bindparam("partition_"),
        positions.c.next_offset == bindparam("begin_"),
    )
    moved: dict[str, Any] = {"next_offset": bindparam("next_"), "seen_at": bindparam("seen_")}
    name = dialect.name
    counted = _upsert(name, minutes, lambda old, new: {each: old[each] + new[each] for each in _COUNTS})
    named = {
        "health": _upsert(name, health, lambda old, new: _others(health, new)),
        "place": _upsert(
            name,
            positions,
            lambda old, new: _others(positions, new),
            where=positions.c.next_offset == bindparam("begin_"),
        ),
        "advance": update(positions).where(*at).values(moved),
        "seen": update(positions).where(*at).values(seen_at=bindparam("seen_")),
    }
    return Statements(
        told=_filling(_told(name), dialect),
        decided=_filling(_decided(name), dialect),
        attempts=_filling(insert(attempts), dialect),
        minutes=_filling(counted, dialect),
        **{key: str(statement.compile(dialect=dialect)) for key, statement in named.items()},
    )


def _filling(statement: Insert, dialect: Dialect) -> Filling:
    by_position: Any = type(dialect)
    compiled: Any = statement.compile(dialect=by_position(paramstyle=_BY_POSITION[dialect.name]))
    return Filling(str(compiled), itemgetter(*compiled.positiontup))


def _told(dialect: str) -> Any:
    return _upsert(
        dialect,
        deliveries,
        lambda old, new: {name: new[name] for name in CONTENT},
        where=deliveries.c.body.is_(None),
    )


def _decided(dialect: str) -> Any:
    def changes(old: Any, new: Any) -> dict[str, Any]:
        was_sent = new.attempts > literal_column("0")
        return (
            {name: func.coalesce(old[name], new[name]) for name in CONTENT}
            | {name: new[name] for name in _DECISION}
            | {"attempts": old.attempts + new.attempts}
            | {name: case((was_sent, new[name]), else_=old[name]) for name in ("last_status", "last_error")}
        )

    return _upsert(dialect, deliveries, changes)


def _upsert(dialect: str, table: Table, changes: Any, where: Any = None) -> Any:
    made: Any = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    key = [column.name for column in table.primary_key]
    return made.on_conflict_do_update(index_elements=key, set_=changes(table.c, made.excluded), where=where)


def _others(table: Table, new: Any) -> dict[str, Any]:
    """Return every column that is not in the key, as in the new row."""
    return {column.name: new[column.name] for column in table.columns if not column.primary_key}
