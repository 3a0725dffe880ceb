"""How much may be sent that nobody has decided about yet: it is what a crash repeats."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Final, cast

import pytest

from consumers.delivery.outbox import UNDECIDED_MOST, Outbox
from tocsin.deliveries import Decision, Progress
from tocsin.kafka.codec import Encoder
from tocsin.kafka.reader import Record
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.settings import Settings

RECORD = Record("deliveries", 0, 0, 1, b"wh", b"value", [], 0)
NO_ENCODER: Final = cast(Encoder, None)  # an effect's value is its source's, unchanged
DECISION = Decision("retry", "5s", Progress(step=1))


@pytest.fixture
def writer() -> Iterator[Writer]:
    """A writer whose broker never acknowledges anything, for there is none."""
    logging.getLogger("tocsin.kafka").setLevel(logging.CRITICAL)
    made = Writer(Settings(_env_file=None, kafka="127.0.0.1:1"), own_thread=False)  # type: ignore[call-arg]
    yield made
    made.close()
    logging.getLogger("tocsin.kafka").setLevel(logging.NOTSET)


def test_nothing_more_is_sent_once_so_many_decisions_are_not_acknowledged(writer: Writer) -> None:
    async def owed(count: int) -> bool:
        outbox = Outbox(writer, Topics("test"), NO_ENCODER, asyncio.get_running_loop())
        for _ in range(count):
            outbox.effect(RECORD, "driftguard", DECISION, lambda: None, lambda: True)
        return outbox.stalled()

    assert not asyncio.run(owed(0))
    assert not asyncio.run(owed(UNDECIDED_MOST - 1))
    assert asyncio.run(owed(1))
