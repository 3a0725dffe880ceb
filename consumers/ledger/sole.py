"""SQLite takes one ledger: a lock beside its file says who that is, for as long as that process lives."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tocsin.errors import ConfigurationError


@contextmanager
def sole(file: Path | None) -> Iterator[None]:
    """Be the only ledger of a SQLite file, which need not exist; of None, PostgreSQL, there may be several.

    Raises:
        ConfigurationError: Another ledger has it, or its directory cannot be written.
    """
    if file is None:
        yield
        return
    lock = file.with_name(f"{file.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = lock.open("w")
    except OSError as error:
        raise ConfigurationError("TOCSIN_LEDGER", "", f"{lock}: {error.strerror}") from error
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                "TOCSIN_LEDGER",
                "",
                f"another ledger writes {file}, and SQLite takes one; for several, set TOCSIN_LEDGER to a PostgreSQL "
                "(postgresql://user:password@host/database)",
            ) from error
        yield
