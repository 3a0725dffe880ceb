"""How the delivery log's store is opened: SQLite in a file, or PostgreSQL where several machines need it.

One program writes, any number read at the same time. SQLite keeps readers and writer apart by its write-ahead log.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, FromClause, create_engine, event, func, make_url, select, text
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tocsin.errors import ConfigurationError, LedgerUnavailable
from tocsin.ledger.tables import positions

REVISION: Final = "0001"
"""The version of the tables that this code works with: the newest file in `migrations/versions`."""

QUERY_TIMEOUT_S: Final = 5.0
_CHECK_EVERY_S: Final = 5.0
_BUSY_TIMEOUT_S: Final = 5.0
_CONNECT_TIMEOUT_S: Final = 5
_STEPS: Final = 10_000
"""SQLite's virtual machine steps between two looks at the clock: about a millisecond."""

_CHECKPOINT_PAGES: Final = 16_000
"""Pages of the write-ahead log, 64 MiB, before they go into the file. By default each batch would write its own twice."""

_DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class Store:
    """An open store.

    Args:
        url: As in `TOCSIN_LEDGER`.
        writing: Open it as the ledger does, which makes the file; otherwise nothing can be changed through it, and
            no query runs for longer than `QUERY_TIMEOUT_S`.

    Raises:
        ConfigurationError: The address is malformed; the message does not repeat it, as it may hold a password.
    """

    def __init__(self, url: SecretStr, *, writing: bool = False) -> None:
        self._url = _parsed(url)
        self._writing = writing
        self._checked_at_s = float("-inf")
        self.engine = _postgres(self._url, writing) if self.is_shared else _sqlite(self._url, writing)

    @property
    def is_shared(self) -> bool:
        """Whether several machines can use it."""
        return self._url.get_backend_name() == "postgresql"

    @property
    def file(self) -> Path | None:
        """Its file; None for PostgreSQL."""
        return None if self.is_shared else Path(self._url.database or "")

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for queries.

        Raises:
            LedgerUnavailable: The store is absent, of another version, locked, down, or took too long.
            SQLAlchemyError: The query is at fault.
        """
        with self._told(), self.engine.connect() as connection:
            if time.monotonic() - self._checked_at_s > _CHECK_EVERY_S:
                self._check(connection)
            if not self.is_shared:
                _limit(connection, time.monotonic() + QUERY_TIMEOUT_S)
            yield connection

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """Give a connection within a transaction, which is committed at the end.

        Raises:
            LedgerUnavailable: The store is absent, locked or down; whether anything was committed is not known.
            SQLAlchemyError: The store refuses what was asked of it, now and later.
        """
        with self._told(), self.engine.begin() as connection:
            yield connection

    def check(self) -> None:
        """Raise LedgerUnavailable unless the store answers and has the tables that this code knows."""
        with self.reading():
            pass

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _check(self, connection: Connection) -> None:
        found = revision(connection)
        if found == REVISION:
            self._checked_at_s = time.monotonic()
            return
        if found is None:
            raise LedgerUnavailable(f"{self} has no delivery log yet: `python -m consumers.ledger` makes it")
        older = found < REVISION
        raise LedgerUnavailable(
            f"{self} is a delivery log of version {found} and this program needs {REVISION}: "
            + ("start the ledger of this version" if older else "start the newer version of this program")
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            if self.file is not None and not self._writing and not self.file.exists():
                raise LedgerUnavailable(f"{self} is not there yet: `python -m consumers.ledger` makes it")
            yield
        except SQLAlchemyError as error:
            if not is_outage(error):
                raise
            raise LedgerUnavailable(f"{self}: {_reason(error)}") from error


def revision(connection: Connection) -> str | None:
    """Return the version of a store's tables; None when there are none."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def delay_ms(connection: Connection, now_ms: int) -> int | None:
    """Return how far the log is behind the topics, in milliseconds; None while a part of them has not been read yet."""
    seen_at: int | None = connection.execute(select(func.min(positions.c.seen_at))).scalar()
    return None if not seen_at else max(0, now_ms - seen_at)


def is_outage(error: SQLAlchemyError) -> bool:
    """Whether an error says that the store does not answer now, rather than that it refuses what it was told."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, PoolTimeout)
    names = {kind.__name__ for kind in type(error.orig).__mro__}
    return error.connection_invalidated or bool(
        names & {"OperationalError", "InterfaceError", "InternalError"}
    )


def _reason(error: SQLAlchemyError) -> str:
    told = str(error.orig) if isinstance(error, DBAPIError) and error.orig is not None else str(error)
    return told.strip().splitlines()[0] if told.strip() else type(error).__name__


def _parsed(url: SecretStr) -> URL:
    try:
        parsed = make_url(url.get_secret_value())
        return parsed.set(drivername=_DRIVERS[parsed.get_backend_name()])
    except (ArgumentError, NoSuchModuleError, KeyError, ValueError):
        raise ConfigurationError(
            "TOCSIN_LEDGER", "", "is neither sqlite:///file nor postgresql://user:password@host/database"
        ) from None


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _postgres(url: URL, writing: bool) -> Engine:
    options = f"-c timezone=UTC -c lock_timeout={int(_BUSY_TIMEOUT_S * 1000)}"
    if not writing:
        timeout_ms = int(QUERY_TIMEOUT_S * 1000)
        options += f" -c statement_timeout={timeout_ms} -c default_transaction_read_only=on"
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=4,
        json_serializer=_json,
        json_deserializer=orjson.loads,
        hide_parameters=True,
        connect_args={
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "options": options,
            "application_name": "tocsin",
        },
    )


def _sqlite(url: URL, writing: bool) -> Engine:
    engine = create_engine(
        url,
        paramstyle="named",
        json_serializer=_json,
        json_deserializer=orjson.loads,
        hide_parameters=True,
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
    )

    engine.dialect.statement_compiler = _Compiler

    @event.listens_for(engine, "connect")
    def connected(raw: Any, _: Any) -> None:
        raw.isolation_level = None  # transactions begin where `begun` says, not where the driver guesses
        raw.execute("PRAGMA journal_mode=WAL" if writing else "PRAGMA query_only=ON")
        # A crash of the machine may cost the last commits, positions included: they are projected again.
        raw.execute("PRAGMA synchronous=NORMAL")
        raw.execute("PRAGMA cache_size=-65536")
        raw.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A deferred transaction that turns to writing fails at once when another has written meanwhile.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


class _Compiler(SQLiteCompiler):
    """Takes `with_hint` as SQLite's `INDEXED BY`: without statistics it takes one index to be as good as another."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text


def _limit(connection: Connection, deadline_s: float) -> None:
    raw: Any = connection.connection.dbapi_connection
    raw.set_progress_handler(lambda: time.monotonic() > deadline_s, _STEPS)
