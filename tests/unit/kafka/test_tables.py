"""What a table says of itself while it cannot be read."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from confluent_kafka import Message, TopicPartition

from tocsin.errors import KafkaUnavailable, RegistryUnavailable
from tocsin.kafka import clients
from tocsin.kafka.tables import Table
from tocsin.settings import Settings

SETTINGS = Settings(_env_file=None)  # type: ignore[call-arg]


class Client:
    """A client that has one record, which is all there is in its topic."""

    def __init__(self) -> None:
        self._coming = [Message("t", partition=0, offset=0, key=b"k", value=b"v")]
        self.closed = threading.Event()

    def assign(self, partitions: list[TopicPartition]) -> None:
        """It has one partition."""

    def poll(self, timeout_s: float) -> Message | None:
        return self._coming.pop() if self._coming else None

    def consume(self, count: int, timeout_s: float) -> list[Message]:
        return []

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        return 0, 1

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()
    monkeypatch.setattr(clients, "plain_consumer", lambda settings: made)
    return made


def test_table_that_waits_for_the_registry_says_so_and_stops_quietly(client: Client) -> None:
    """That a thread ends with an error is a warning, and so a failure of this test."""
    asked = threading.Semaphore(0)

    def decode(message: Message) -> Any:
        asked.release()
        raise RegistryUnavailable("the registry is away")

    table = Table(SETTINGS, "t", decode)
    with pytest.raises((KafkaUnavailable, RegistryUnavailable)):
        table.start(0.0)
    assert all(asked.acquire(timeout=10.0) for _ in range(2))
    with pytest.raises(RegistryUnavailable, match="is away"):
        table.start(0.0)
    table.stop()
    assert client.closed.is_set()


def test_table_that_no_longer_waits_for_the_registry_is_complete(client: Client) -> None:
    answers: list[Any] = [RegistryUnavailable("the registry is away"), "row"]

    def decode(message: Message) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    table = Table(SETTINGS, "t", decode)
    table.start(10.0)
    assert table.get("k") == "row"
    table.stop()
