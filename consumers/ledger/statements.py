"""The ledger's statements; the one place where it knows which database it talks to.

They are made by SQLAlchemy and turned to text once, and the driver gets the rows as they are: taking thousands of rows
through SQLAlchemy's own execution cost more than the database does. JSON columns therefore hold text already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Table, bindparam, case, func, insert, literal_column, update
from sqlalchemy.dialects import postgresql, sqlite

from consumers.ledger.projection import CONTENT
from tocsin.ledger.tables import attempts, deliveries, health, minutes, positions

_DECISION = ("status", "run", "step", "reason", "fault", "next_at", "decided_at", "decided_offset")
_COUNTS = ("delivered", "failed", "dead", "parked")


@dataclass(frozen=True, slots=True)
class Statements:
    """Statements that are executed with many rows at once.

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

    told: str
    decided: str
    attempts: str
    minutes: str
    health: str
    place: str
    advance: str
    seen: str


def statements(dialect: Dialect) -> Statements:
    """Return the statements for a database, each with named parameters in its driver's style."""
    at = (
        positions.c.topic == bindparam("topic_"),
        positions.c.partition == bindparam("partition_"),
        positions.c.next_offset == bindparam("begin_"),
    )
    moved: dict[str, Any] = {"next_offset": bindparam("next_"), "seen_at": bindparam("seen_")}
    name = dialect.name
    made = {
        "told": _told(name),
        "decided": _decided(name),
        "attempts": insert(attempts),
        "minutes": _upsert(name, minutes, lambda old, new: {each: old[each] + new[each] for each in _COUNTS}),
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
    return Statements(**{key: str(statement.compile(dialect=dialect)) for key, statement in made.items()})


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
