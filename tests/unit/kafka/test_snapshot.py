"""Where a topic begins at a moment is known of every partition, or of none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from tocsin.errors import KafkaUnavailable
from tocsin.kafka import clients, snapshot
from tocsin.settings import Settings

SETTINGS = Settings(_env_file=None)  # type: ignore[call-arg]


class Client:
    """A client that knows where the first of two partitions begins; of the second it says what it is told to."""

    def __init__(self, offset: int, error: KafkaError | None) -> None:
        self._second = SimpleNamespace(partition=1, offset=offset, error=error)

    def list_topics(self, topic: str, timeout: float) -> Any:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions={0: None, 1: None})})

    def offsets_for_times(self, asked: list[TopicPartition], timeout: float) -> list[Any]:
        return [SimpleNamespace(partition=0, offset=5, error=None), self._second]

    def close(self) -> None:
        """It holds nothing."""


def begin(monkeypatch: pytest.MonkeyPatch, client: Client) -> dict[int, int]:
    monkeypatch.setattr(clients, "plain_consumer", lambda settings: client)
    return snapshot.since(SETTINGS, "t", 0)


def test_partition_without_anything_since_then_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert begin(monkeypatch, Client(-1, None)) == {0: 5}


def test_partition_that_nobody_can_answer_for_is_no_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not be read at all: a count, or a recovery, would be short without a word."""
    leaderless = KafkaError(KafkaError.LEADER_NOT_AVAILABLE)
    with pytest.raises(KafkaUnavailable, match="t: "):
        begin(monkeypatch, Client(-1, leaderless))
