"""What earlier owners decided is waited for, but not at a stop."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumers.delivery.warmup import Warmup
from tocsin.kafka import clients
from tocsin.kafka.reader import Part
from tocsin.kafka.window import Mark
from tocsin.settings import Settings


class Away:
    """A consumer whose broker never answers."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.closed = False

    def get_watermark_offsets(self, *_: Any, **__: Any) -> tuple[int, int]:
        self.asked.set()
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def close(self) -> None:
        self.closed = True


def test_stop_ends_a_wait_for_kafka_and_nobody_is_told_of_what_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To be told of no decisions would let work start that an earlier owner may have decided about."""
    consumer, told = Away(), []
    monkeypatch.setattr(clients, "plain_consumer", lambda _: consumer)
    warmup = Warmup(Settings(_env_file=None), "attempts")  # type: ignore[call-arg]
    for number in range(2):
        warmup.learn(Part("deliveries", number), Mark(), lambda part, known: told.append((part, known)))
    assert consumer.asked.wait(10.0)
    warmup.stop()
    assert consumer.closed
    assert told == []
