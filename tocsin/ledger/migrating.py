"""Bringing a store's tables to the version that this code works with; the ledger does it when it starts.

Alembic is imported where something is to be done: a start that finds its tables as they should be saves a fifth of its CPU.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from tocsin.errors import ConfigurationError
from tocsin.ledger.store import REVISION, Store, revision
from tocsin.ledger.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

_log = logging.getLogger("tocsin.ledger")
logging.getLogger("alembic").setLevel(logging.WARNING)

_LOCK: Final = 0x746F6373  # "tocs": whoever upgrades a PostgreSQL store holds this advisory lock


def upgrade(store: Store) -> None:
    """Make or change the tables where that is needed. Several processes may do so at once in PostgreSQL.

    Raises:
        LedgerUnavailable: The store does not answer.
        ConfigurationError: The store is newer than this program.
    """
    with store.changing() as connection:
        _take_turns(connection)
        _upgrade(store, connection)


def make_anew(store: Store) -> None:
    """Drop every table of the log, whatever its version, and make them empty; raises as `upgrade`."""
    with store.changing() as connection:
        _take_turns(connection)
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
        _upgrade(store, connection)


def newest() -> str | None:
    """Return the version that the newest migration leads to."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head()


def _upgrade(store: Store, connection: Connection) -> None:
    found = revision(connection)
    if found == REVISION:
        return
    if found is not None and found > REVISION:
        raise ConfigurationError(
            "TOCSIN_LEDGER",
            "",
            f"{store} is a delivery log of version {found} and this program knows {REVISION}: start the newer "
            "version, or make the log anew with `python -m consumers.ledger rebuild`",
        )
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, REVISION)
    _log.info("%s has version %s now", store, REVISION)


def _take_turns(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "tocsin.ledger:migrations")
    return config
