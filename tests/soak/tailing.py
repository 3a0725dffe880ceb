"""Reads along what the programs write, from the first record on: the log's side of the audit."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message, TopicPartition

from tests.harness.installation import Installation, header
from tests.soak.ledgers import Letter, Tried
from tocsin.kafka import clients, pipeline
from tocsin.kafka.codec import Decoder


@dataclass(slots=True)
class Tail:
    """Reads attempts, dead letters, deliveries, redeliveries and endpoint health on a thread of its own.

    Attributes:
        appended_ms: Delivery id to when its first live record was written.
        redelivered: How often each (delivery, run, step) stands in the redeliveries topic.
        disabled: Subscriptions that were disabled for their health.
    """

    own: Installation
    tried: list[Tried] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    appended_ms: dict[str, float] = field(default_factory=dict)
    redelivered: dict[tuple[str, str, int], int] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    failed: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _decode: Decoder | None = None

    def start(self) -> None:
        """Begin."""
        self._decode = pipeline.decoder(self.own.registry, "attempt")
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and raise what went wrong."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10.0)
        if self.failed is not None:
            raise self.failed

    def _run(self) -> None:
        topics = self.own.topics
        names = (topics.attempts, topics.dlq, topics.deliveries, topics.redeliveries)
        consumer = clients.plain_consumer(self.own.settings)
        try:
            consumer.assign(
                [
                    TopicPartition(name, number, 0)
                    for name in names
                    for number in range(self.own.settings.partitions)
                ]
                + [TopicPartition(topics.health, 0, 0)]
            )
            while not self._stop.is_set():
                first = consumer.poll(0.2)
                # A broker that is down is an error here, and no more than that.
                for message in (first, *consumer.consume(1_000, 0)) if first is not None else ():
                    if message.error() is None:
                        self._take(message)
        except BaseException as error:
            self.failed = error
        finally:
            consumer.close()

    def _take(self, message: Message) -> None:
        topics = self.own.topics
        delivery = header(message, "tocsin_delivery_id") or ""
        if message.topic() == topics.health:
            self.disabled.add((message.key() or b"").decode())
        elif message.topic() == topics.attempts:
            self.tried.append(self._tried(message))
        elif message.topic() == topics.dlq:
            self.letters.append(
                Letter(delivery, header(message, "tocsin_run") or "", header(message, "tocsin_reason") or "")
            )
        elif message.topic() == topics.deliveries:
            self.appended_ms.setdefault(delivery, message.timestamp()[1])
        else:
            identity = (
                delivery,
                header(message, "tocsin_run") or "",
                int(header(message, "tocsin_step") or 0),
            )
            self.redelivered[identity] = self.redelivered.get(identity, 0) + 1

    def _tried(self, message: Message) -> Tried:
        assert self._decode is not None
        record: Any = self._decode(message.value()).record
        return Tried(
            delivery_id=record["delivery_id"],
            run=record["run"],
            step=record["step"],
            verdict=record["verdict"],
            next_tier=record["next_tier"],
            posted=record["posted"],
            started_ms=record["started_at"],
            decided_ms=message.timestamp()[1],
            live=record["source_topic"] == self.own.topics.deliveries,
        )
