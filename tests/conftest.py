"""The real Kafka and registry that integration and end-to-end tests run against."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import hypothesis
import pytest

from deploy.local import settings as local_settings
from deploy.local import stack as local_stack
from deploy.local.stack import Stack
from tests.harness.installation import Installation, installation

# How long one example takes says something about the machine, and other runs on it.
hypothesis.settings.register_profile("tocsin", deadline=None)
hypothesis.settings.load_profile("tocsin")

_USING = pytest.StashKey[IO[str]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say that this run may use the local stack: a run that ends meanwhile leaves it to this one."""
    if not hasattr(session.config, "workerinput"):
        run = local_settings.load().run
        run.mkdir(parents=True, exist_ok=True)
        using = (run / "users").open("w")
        fcntl.flock(using, fcntl.LOCK_SH)
        session.config.stash[_USING] = using


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The last run stops the stack, if it was a run that started it."""
    using = session.config.stash.get(_USING, None)
    if using is not None:
        with using, suppress(BlockingIOError):
            fcntl.flock(using, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _started_by_a_run().exists():
                local_stack.down(local_settings.load())
                _started_by_a_run().unlink()


def _started_by_a_run() -> Path:
    return local_settings.load().run / "started-by-tests"


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The local stack; one that runs already is used and left running."""
    settings = local_settings.load()
    if not any(status.pid for status in local_stack.status(settings)):
        _started_by_a_run().touch()
    return local_stack.up(settings)


@pytest.fixture(scope="session")
def shared(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with one of every program, for tests that disturb nobody: each has its own organization."""
    with installation(stack, tmp_path_factory.mktemp("shared")) as made:
        made.fleet.environment = {**made.fleet.environment, "TOCSIN_PROBES": "127.0.0.1:0"}
        made.start("control", "router", "delivery", "delay", "replay", "ledger")
        yield made
