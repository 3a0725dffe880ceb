"""A PostgreSQL of one's own: a child process in a temporary directory, reached by a socket file, so without a port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from deploy.local import debian
from deploy.local.progress import aloud

STARTS_WITHIN_S: Final = 30.0
# Nothing here outlives its test, so nothing is made safe against a loss of power.
_CONFIG: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server.

    Attributes:
        home: Its directory; the socket lies there too.
        process: It.
    """

    home: Path
    process: subprocess.Popen[bytes]

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database, as `TOCSIN_LEDGER` has it."""
        return f"postgresql://tocsin@/{database}?host={self.home}"

    def database(self) -> str:
        """Make an empty database and return its address."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL; it is gone with all its data at the end."""
    programs = _programs()
    home = Path(tempfile.mkdtemp(prefix="tocsin-pg-"))
    user = _unprivileged()
    if user is not None:
        shutil.chown(home, user)
    try:
        data = home / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "tocsin", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            user=user,
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},
        )
        options = [f"-c{name}={value}" for name, value in _CONFIG.items()]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, f"-cunix_socket_directories={home}", *options],
                stdout=log,
                stderr=log,
                user=user,
                cwd="/",
            )
        server = Postgres(home, process)
        try:
            _await(server)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # "fast": whoever is still connected is cut off
            process.wait(10)
    finally:
        shutil.rmtree(home)


def _programs() -> Path:
    """Return where PostgreSQL's programs lie; Debian does not put them on the path."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    for attempt in range(2):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
        if found:
            return found[-1].parent
        if not attempt:
            debian.install("postgresql", "PostgreSQL, against which the delivery log is tested", aloud)
    raise FileNotFoundError("/usr/lib/postgresql/*/bin/initdb")


def _unprivileged() -> str | None:
    """Return whom to run it as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _await(server: Postgres) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            psycopg.connect(server.url()).close()
            return
        except psycopg.OperationalError:
            log = (server.home / "log").read_text(errors="replace")
            assert server.process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.02)
