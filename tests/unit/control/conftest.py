"""The control API without Kafka."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from control.app import create_app
from control.directory import Directory
from tests.unit.control.world import MemoryStore, make_services, write_contracts
from tocsin.wire.systems import Systems


@pytest.fixture(scope="session")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Systems:
    """The made-up contracts."""
    return write_contracts(tmp_path_factory.mktemp("schemas"))


@pytest.fixture
def directory() -> Directory:
    """What is registered."""
    return Directory()


@pytest.fixture
def api(systems: Systems, directory: Directory) -> TestClient:
    """A caller of the API, without a key."""
    return TestClient(
        create_app(make_services(systems, directory, MemoryStore(directory))), raise_server_exceptions=False
    )
