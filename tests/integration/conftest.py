"""The real Kafka and registry that integration tests run against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import settings as local_settings
from deploy.local import stack as local_stack
from deploy.local.stack import Stack
from tests.harness.installation import Installation, installation


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The local stack; one that runs already is used and left running."""
    settings = local_settings.load()
    was_running = all(status.answers for status in local_stack.status(settings))
    yield local_stack.up(settings)
    if not was_running:
        local_stack.down(settings)


@pytest.fixture(scope="session")
def shared(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with one of every program, for tests that disturb nobody: each has its own organization."""
    with installation(stack, tmp_path_factory.mktemp("shared")) as made:
        made.start("control", "router", "delivery", "delay", "replay")
        yield made


@pytest.fixture
def own(stack: Stack, tmp_path: Path) -> Iterator[Installation]:
    """An installation without programs, for tests that start, stop and kill them."""
    with installation(stack, tmp_path) as made:
        yield made
