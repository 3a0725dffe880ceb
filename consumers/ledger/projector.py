"""Writes batches into the store: rows and positions change in one transaction, so that each record counts once.

The store's positions are the truth. A batch names the positions that it begins at, and is written only if the store
still has them: a process that was silent while its partitions went to another one cannot write over what that one did.
What is to be announced is acknowledged before the transaction ends; a crash between the two announces the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from consumers.ledger import projection
from consumers.ledger.batch import Batch, Entry, Identity, Tried
from consumers.ledger.health import Change, Policy, State
from consumers.ledger.projection import Rows
from consumers.ledger.statements import statements
from tocsin import failpoints
from tocsin.errors import KafkaUnavailable
from tocsin.kafka.reader import Part
from tocsin.ledger import tables
from tocsin.ledger.store import Store

_LOOKED_UP_AT_ONCE: Final = 500
_STATES_MOST: Final = 100_000

Announce = Callable[[Sequence[Change]], bool]
"""Writes what has changed about endpoints; returns whether that is acknowledged."""


class Overtaken(Exception):
    """The store's positions are others than the batch begins at: somebody else has gone on from there."""


class Projector:
    """The one who writes the log.

    Args:
        store: Opened for writing.
        policy: When endpoints are disabled.
        announce: Called with what is to be announced, before the transaction ends.
    """

    def __init__(self, store: Store, policy: Policy, announce: Announce) -> None:
        self._store = store
        self._policy = policy
        self._announce = announce
        self._statements = statements(store.engine.dialect)
        # As in the store while nobody else writes about these endpoints; whoever has to look where he stands forgets it.
        self._states: dict[str, State | None] = {}

    def positions(self) -> dict[Part, int]:
        """Return how far each partition is projected; raises LedgerUnavailable."""
        self._states.clear()
        with self._store.changing() as connection:
            found = connection.execute(select(tables.positions))
            return {Part(row.topic, row.partition): row.next_offset for row in found}

    def place(self, changes: Mapping[Part, tuple[int | None, int]]) -> None:
        """Set the positions of partitions that have none, or whose log was made anew; raises LedgerUnavailable.

        Args:
            changes: What the position was found to be, and what it is to be. One that is another by now stays.
        """
        rows = [
            {
                "topic": part.topic,
                "partition": part.partition,
                "next_offset": offset,
                "seen_at": 0,
                "begin_": -1 if found is None else found,
            }
            for part, (found, offset) in sorted(changes.items())
        ]
        if rows:
            with self._store.changing() as connection:
                connection.exec_driver_sql(self._statements.place, rows)

    def seen(self, positions: Mapping[Part, int], now_ms: int) -> None:
        """Note that nothing more was there at `now_ms` in partitions that stand at these positions."""
        if positions:
            with self._store.changing() as connection:
                connection.exec_driver_sql(
                    self._statements.seen,
                    [
                        {
                            "topic_": part.topic,
                            "partition_": part.partition,
                            "begin_": offset,
                            "seen_": now_ms,
                        }
                        for part, offset in sorted(positions.items())
                    ],
                )

    def project(self, batch: Batch) -> None:
        """Write a batch.

        Raises:
            Overtaken: It was not written: the store's positions are others.
            LedgerUnavailable: The store does not answer; the same batch may be projected again.
            KafkaUnavailable: Nothing was written, as Kafka did not acknowledge an announcement in time; likewise.
            SQLAlchemyError: The store will never take it.
        """
        try:
            self._write(batch, set())
        except IntegrityError:
            # An attempt stands twice in the log, after a crash. It is so rare that only now is it looked for.
            self._write(batch, self._known(batch))
        failpoints.hit("ledger.after_write")

    def _known(self, batch: Batch) -> set[Identity]:
        ids = sorted({entry.identity[0] for entry in batch.entries if isinstance(entry, Tried)})
        table = tables.attempts
        found: set[Identity] = set()
        with self._store.changing() as connection:
            for start in range(0, len(ids), _LOOKED_UP_AT_ONCE):
                some = ids[start : start + _LOOKED_UP_AT_ONCE]
                query = select(table.c.delivery_id, table.c.run, table.c.step).where(
                    table.c.delivery_id.in_(some)
                )
                found.update((row.delivery_id, row.run, row.step) for row in connection.execute(query))
        return found

    def _write(self, batch: Batch, known: set[Identity]) -> None:
        entries = projection.without(batch.entries, known)
        with self._store.changing() as connection:
            self._advance(connection, batch)
            self._write_rows(connection, projection.rows(entries))
            changed, changes = self._judge(connection, entries)
            if changes and not self._announce(changes):
                raise KafkaUnavailable(f"{len(changes)} changes of endpoint health are not acknowledged")
        self._states.update(changed)

    def _advance(self, connection: Connection, batch: Batch) -> None:
        for part, last in sorted(batch.last().items()):
            moved = connection.exec_driver_sql(
                self._statements.advance,
                {
                    "topic_": part.topic,
                    "partition_": part.partition,
                    "begin_": batch.begin[part],
                    "next_": last.offset + 1,
                    "seen_": last.timestamp_ms,
                },
            )
            if moved.rowcount != 1:
                raise Overtaken(f"{part.topic} {part.partition} is no longer at {batch.begin[part]}")

    def _write_rows(self, connection: Connection, rows: Rows) -> None:
        # In the order of keys: two ledgers at one partition number, at a change of hands, do not wait for each other.
        made = sorted(rows.deliveries.items())
        told = [row for key, row in made if key not in rows.decided]
        decided = [row for key, row in made if key in rows.decided]
        minutes = [row for _, row in sorted(rows.minutes.items())]
        self._statements.told.execute(connection, told)
        self._statements.decided.execute(connection, decided)
        self._statements.attempts.execute(connection, rows.attempts)
        self._statements.minutes.execute(connection, minutes)

    def _judge(
        self, connection: Connection, entries: Sequence[Entry]
    ) -> tuple[dict[str, State], list[Change]]:
        subscriptions = {entry.fields["subscription_id"] for entry in entries if isinstance(entry, Tried)}
        if len(self._states) > _STATES_MOST:
            self._states.clear()
        unknown = sorted(subscriptions - self._states.keys())
        self._states |= dict.fromkeys(unknown) | _states(connection, unknown)
        changed, announced = projection.judge(entries, self._states, self._policy)
        if changed:
            rows = [
                {name: getattr(state, name) for name in State.__slots__}
                for _, state in sorted(changed.items())
            ]
            connection.exec_driver_sql(self._statements.health, rows)
        return changed, announced


def _states(connection: Connection, subscriptions: Sequence[str]) -> dict[str, State]:
    states = {}
    for start in range(0, len(subscriptions), _LOOKED_UP_AT_ONCE):
        some = subscriptions[start : start + _LOOKED_UP_AT_ONCE]
        for row in connection.execute(select(tables.health).where(tables.health.c.subscription_id.in_(some))):
            states[row.subscription_id] = State(**row._mapping)
    return states
