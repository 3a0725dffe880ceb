"""What is older than the log keeps is deleted, a little at a time, so that projecting never waits for it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, func, or_, select

from tocsin.ledger.store import Store
from tocsin.ledger.tables import attempts, deliveries, minutes

AT_ONCE: Final = 500
"""Deliveries deleted in one transaction: some 20 ms."""
_DAY_MS: Final = 86_400_000


class Retention:
    """Deletes what is too old.

    Args:
        store: Opened for writing.
        days: How long a delivery is kept after the last that was heard of it.
    """

    def __init__(self, store: Store, days: int) -> None:
        self._store = store
        self._kept_ms = days * _DAY_MS

    def turn(self, now_ms: int) -> bool:
        """Delete some of what is too old and return whether there may be more; raises LedgerUnavailable."""
        before_ms = now_ms - self._kept_ms
        with self._store.changing() as connection:
            gone = _deliveries(connection, before_ms)
            emptied = _minutes(connection, before_ms)
        return gone == AT_ONCE or emptied


def _deliveries(connection: Connection, before_ms: int) -> int:
    table = deliveries
    is_old = (
        table.c.created_at < before_ms,
        or_(table.c.decided_at.is_(None), table.c.decided_at < before_ms),
    )
    oldest = select(table.c.delivery_id).where(*is_old).order_by(table.c.created_at).limit(AT_ONCE)
    # Its age is looked at again once the row is locked: another ledger may have written about it meanwhile.
    removed = delete(table).where(table.c.delivery_id.in_(oldest), *is_old).returning(table.c.delivery_id)
    ids = list(connection.execute(removed).scalars())
    if ids:
        connection.execute(delete(attempts).where(attempts.c.delivery_id.in_(ids)))
    return len(ids)


def _minutes(connection: Connection, before_ms: int) -> bool:
    oldest: int | None = connection.execute(
        select(func.min(minutes.c.minute)).where(minutes.c.minute < before_ms)
    ).scalar()
    if oldest is None:
        return False
    connection.execute(delete(minutes).where(minutes.c.minute == oldest))
    return True
