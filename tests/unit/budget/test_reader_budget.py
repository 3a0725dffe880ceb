"""What reading costs, counted: a commit for each interval, never for each record."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import pytest
from confluent_kafka import Message, TopicPartition

from tests.unit.budget.counting import OURS, counting
from tocsin.kafka import clients
from tocsin.kafka import reader as reader_module
from tocsin.kafka.reader import COMMIT_EVERY_S, Hooks, Part, Reader
from tocsin.settings import Settings

PART: Final = Part("deliveries", 0)
POLLS: Final = 100
POLL_S: Final = 0.01
AT_ONCE: Final = 50
CALLS_MOST: Final = 10
"""Calls for a record, from the client's message to its finished offset."""


class Client:
    """The consumer of a partition that is full, as Kafka's client shows it; it counts commits."""

    def __init__(self) -> None:
        self.commits = 0
        self._messages: Iterator[Message] = map(_message, itertools.count())

    def subscribe(self, topics: Sequence[str], on_assign: Callable[..., None], **_: Any) -> None:
        self._on_assign: Callable[..., None] | None = on_assign

    def poll(self, timeout_s: float) -> Message | None:
        if self._on_assign is not None:
            assigning, self._on_assign = self._on_assign, None
            assigning(self, [TopicPartition(*PART)])
            return None
        return next(self._messages)

    def consume(self, most: int, timeout_s: float) -> list[Message]:
        return list(itertools.islice(self._messages, most))

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return partitions

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool = True) -> list[TopicPartition]:
        self.commits += 1
        return offsets

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """Nothing else is read."""

    pause = resume = incremental_assign

    def close(self) -> None:
        """There is no connection."""


class Careless:
    """A program that has nothing to do at a rebalance."""

    def assigned(self, parts: Sequence[Part]) -> None:
        """Nothing."""

    lost = assigned


def _message(offset: int) -> Message:
    headers: list[tuple[str, str | bytes | None]] = [("ce_id", b"e"), ("tocsin_delivery_id", b"d")]
    return Message(topic=PART.topic, partition=0, offset=offset, key=b"wh", value=b"v" * 600, headers=headers)


@dataclass
class Clock:
    """A time that passes when it is told to."""

    now_s: float = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()
    monkeypatch.setattr(clients, "group_consumer", lambda *_, **__: made)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(reader_module, "time", made)
    return made


def test_reader_commits_once_an_interval_however_many_records_are_finished(
    client: Client, clock: Clock
) -> None:
    reader = Reader(Settings(_env_file=None), "group", [PART.topic], cast(Hooks, Careless()))  # type: ignore[call-arg]
    finished = 0
    with counting() as calls:
        for _ in range(POLLS):
            for record in reader.poll(0.0, AT_ONCE):
                reader.finish(record)
                finished += 1
            clock.now_s += POLL_S
    assert finished == (POLLS - 1) * AT_ONCE
    assert client.commits == pytest.approx(POLLS * POLL_S / COMMIT_EVERY_S, abs=1)
    assert calls.each(finished, *OURS) <= CALLS_MOST, calls.told(finished)
    reader.close()
