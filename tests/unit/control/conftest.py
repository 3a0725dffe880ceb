"""The control API without Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from control.app import create_app
from control.directory import Directory
from tests.unit.control.log_world import Logbook, logbook, make_template
from tests.unit.control.world import (
    MemoryArchive,
    MemoryJobs,
    MemoryOutbox,
    MemoryStore,
    make_services,
    write_contracts,
)
from tocsin.wire.systems import Systems


@pytest.fixture(scope="session")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Systems:
    """The made-up contracts."""
    return write_contracts(tmp_path_factory.mktemp("schemas"))


@pytest.fixture
def directory() -> Directory:
    """What is registered."""
    return Directory()


@pytest.fixture(scope="session")
def empty_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a delivery log without rows."""
    return make_template(tmp_path_factory.mktemp("log") / "empty.db")


@pytest.fixture
def book(empty_log: Path, tmp_path: Path) -> Iterator[Logbook]:
    """A delivery log."""
    with logbook(empty_log, tmp_path / "log.db") as made:
        yield made


@pytest.fixture
def outbox() -> MemoryOutbox:
    """What was sent."""
    return MemoryOutbox()


@pytest.fixture
def jobs() -> MemoryJobs:
    """What was asked for."""
    return MemoryJobs()


@pytest.fixture
def archive() -> MemoryArchive:
    """What stands in Kafka."""
    return MemoryArchive()


@pytest.fixture
def logged(
    systems: Systems,
    directory: Directory,
    book: Logbook,
    outbox: MemoryOutbox,
    jobs: MemoryJobs,
    archive: MemoryArchive,
) -> TestClient:
    """A caller of an API that has a delivery log, without a key."""
    made = make_services(
        systems,
        directory,
        MemoryStore(directory),
        outbox=outbox,
        log=book.store.reading,
        jobs=jobs,
        archive=archive,
    )
    return TestClient(create_app(made), raise_server_exceptions=False)


@pytest.fixture
def api(systems: Systems, directory: Directory) -> TestClient:
    """A caller of the API, without a key."""
    return TestClient(
        create_app(make_services(systems, directory, MemoryStore(directory))), raise_server_exceptions=False
    )
