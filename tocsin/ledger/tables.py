"""The delivery log as tables: what the ledger writes and the control API reads.

Times are milliseconds since the epoch. Everything here can be made again from `tocsin.attempts` and
`tocsin.deliveries`; nothing here is the source of anything.
"""

from __future__ import annotations

from typing import Final, Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

Status = Literal["pending", "retrying", "delivered", "dead"]

UNDELIVERED: Final = text("status <> 'delivered'")
"""In a query's `where`, beside the status that is asked for: SQLite uses a partial index only for these very words."""

metadata: Final = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("delivery_id", String(36), primary_key=True),
    Column("organization", Text, nullable=False),
    Column("subscription_id", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_source", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("test", Boolean, nullable=False),  # whether its owner asked for it as a test
    Column("created_at", BigInteger, nullable=False),  # append time of its first record seen; never changes
    # Of its delivery record: null until that was read.
    Column("format", Text),  # open wire format; null for the system's own too
    Column("event_time", BigInteger),
    Column("content_type", Text),
    Column("headers", JSON(none_as_null=True)),  # list of [name, value]: the same at every attempt
    # Of the newest decision.
    Column("status", String(16), nullable=False),
    Column("run", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),  # POSTs over all runs
    Column("last_status", Integer),  # HTTP status of the last POST; null without an answer
    Column("last_error", Text),
    Column("reason", Text),  # why it is dead, or what it waits for
    Column("fault", Text),  # subscriber or tocsin, for a failure
    Column("next_at", BigInteger),  # estimate of the next try; null when none follows
    Column("decided_at", BigInteger),
    Column("decided_offset", BigInteger),  # of the newest decision in its partition of the attempts topic
    # Last: SQLite walks through a large body to what stands behind it, and a listing wants all but the body.
    Column("body", LargeBinary),  # null until the delivery record was read
)
Index(None, deliveries.c.created_at)
Index(None, deliveries.c.organization, deliveries.c.created_at, deliveries.c.delivery_id)
Index(
    None,
    deliveries.c.organization,
    deliveries.c.event_type,
    deliveries.c.created_at,
    deliveries.c.delivery_id,
)
Index(None, deliveries.c.subscription_id, deliveries.c.created_at, deliveries.c.delivery_id)
# Nearly all are delivered, and whoever looks for those finds them in any order of time: an index of all the others
# costs a delivery that succeeds at once nothing.
Index(
    "ix_deliveries_undelivered",
    deliveries.c.organization,
    deliveries.c.status,
    deliveries.c.created_at,
    deliveries.c.delivery_id,
    deliveries.c.reason,  # so that dead letters are counted by it without reading them
    sqlite_where=UNDELIVERED,
    postgresql_where=UNDELIVERED,
)
Index(
    "ix_deliveries_oldest",
    deliveries.c.subscription_id,
    deliveries.c.status,
    deliveries.c.created_at,
    deliveries.c.delivery_id,
    sqlite_where=UNDELIVERED,
    postgresql_where=UNDELIVERED,
)

attempts: Final = Table(
    "attempts",
    metadata,
    Column("delivery_id", String(36), primary_key=True),
    Column("run", Text, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("organization", Text, nullable=False),
    Column("subscription_id", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),  # POSTs of this run, this one included
    Column("verdict", String(16), nullable=False),
    Column("reason", Text),
    Column("fault", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("duration_ms", Float, nullable=False),
    Column("posted", Boolean, nullable=False),
    Column("url", Text),  # as it may be shown
    Column("status", Integer),
    Column("error", Text),
    Column("request_headers", JSON, nullable=False),  # name to value, secrets redacted
    Column("response_headers", JSON, nullable=False),
    Column("next_tier", Text),
    Column("remaining_s", Integer, nullable=False),  # still to wait after the tier
    Column("response_body", LargeBinary),  # at most 16 KiB
)
Index(None, attempts.c.subscription_id, attempts.c.started_at)

# Counts by the minute of the decision: exact, because they change in one transaction with the positions.
minutes: Final = Table(
    "minutes",
    metadata,
    Column("organization", Text, primary_key=True),
    Column("subscription_id", Text, primary_key=True),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),  # its first millisecond
    Column("delivered", Integer, nullable=False),
    Column("failed", Integer, nullable=False),  # POSTs that failed, the last ones of dead deliveries included
    Column("dead", Integer, nullable=False),  # deliveries that were dead-lettered
    Column("parked", Integer, nullable=False),
)
Index(None, minutes.c.minute)
Index(None, minutes.c.organization, minutes.c.minute)

health: Final = Table(
    "health",
    metadata,
    Column("subscription_id", Text, primary_key=True),
    Column("organization", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("consecutive_failures", Integer, nullable=False),
    Column("failing_since", BigInteger),
    Column("counted_end", BigInteger),  # when the last counted try ended
    Column("last_success_at", BigInteger),
    Column("last_failure_at", BigInteger),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("disabled_at", BigInteger),  # when this generation was disabled
    Column("disabled_reason", Text),
)
Index(None, health.c.organization)

# How far each partition is projected; it changes in the transaction that projects.
positions: Final = Table(
    "positions",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # everything appended before this moment is projected
)
