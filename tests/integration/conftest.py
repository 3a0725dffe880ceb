"""What integration tests alone stand on, beside the stack that all share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.local.stack import Stack
from tests.harness.installation import Installation, installation
from tests.harness.postgres import Postgres, postgres
from tocsin.ledger import migrating
from tocsin.ledger.store import Store


@pytest.fixture
def own(stack: Stack, tmp_path: Path) -> Iterator[Installation]:
    """An installation without programs, for tests that start, stop and kill them."""
    with installation(stack, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def bare(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation without programs, for the tests of a file that do not disturb each other."""
    with installation(stack, tmp_path_factory.mktemp("bare")) as made:
        yield made


@pytest.fixture(scope="session")
def database_server() -> Iterator[Postgres]:
    """A PostgreSQL, for tests that make a database of their own in it."""
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of the delivery log, opened as the ledger does: each test runs on both databases."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'ledger.db'}"
    else:
        url = request.getfixturevalue("database_server").database()
    opened = Store(SecretStr(url), writing=True)
    migrating.upgrade(opened)
    yield opened
    opened.close()
