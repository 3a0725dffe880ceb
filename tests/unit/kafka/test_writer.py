"""What becomes of a write that the broker does not take."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator

import pytest

from tests.harness import waiting
from tocsin.kafka.writer import Outgoing, Writer
from tocsin.settings import Settings


@pytest.fixture
def writer() -> Iterator[Writer]:
    """A writer without a broker, whose tries last a tenth of a second."""
    logging.getLogger("tocsin.kafka").setLevel(logging.CRITICAL)
    settings = Settings(_env_file=None, kafka="127.0.0.1:1")  # type: ignore[call-arg]
    made = Writer(settings, timeout_s=0.1)
    yield made
    made.close()
    logging.getLogger("tocsin.kafka").setLevel(logging.NOTSET)


def test_write_is_kept_while_it_is_put_off_and_given_up_when_it_is_wanted_no_longer(writer: Writer) -> None:
    """A process that may not act just now has not lost what it owes."""
    asked = threading.Semaphore(0)
    answers: list[bool | None] = [None, None, None, False]

    def wanted() -> bool | None:
        asked.release()
        return answers.pop(0)

    writer.write(Outgoing("t", None, b""), lambda _: None, wanted=wanted)
    for _ in range(3):
        assert asked.acquire(timeout=5.0)
        assert writer.outstanding == 1
    assert writer.flush(5.0)
    assert answers == []


def test_closed_writer_leaves_no_threads_behind_though_it_owes_writes() -> None:
    """A program that waits for its broker makes one after the other."""
    settings = Settings(_env_file=None, kafka="127.0.0.1:1")  # type: ignore[call-arg]

    def owe_one() -> None:
        made = Writer(settings)
        made.write(Outgoing("t", None, b""), lambda _: None)
        made.close()

    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    before = threads()
    for _ in range(4):
        owe_one()
    # The system lists a thread for a moment after it was joined. A client that stays has three and more.
    waiting.until(lambda: threads() <= before, what="the threads did not become as few as before")
