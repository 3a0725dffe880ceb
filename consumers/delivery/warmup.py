"""What earlier owners of a partition decided, read from the attempts topic before anything of it starts."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tocsin import deliveries
from tocsin.deliveries import Source
from tocsin.errors import Undecodable
from tocsin.kafka import clients
from tocsin.kafka.reader import Part, each_known, headers_of
from tocsin.kafka.window import Mark
from tocsin.settings import Settings

_log = logging.getLogger("tocsin.delivery.warmup")

AGAIN_S: Final = 0.5
MARGIN_MS: Final = 600_000
"""Read this much more than the mark says: copies of one record lie this close together."""

Known = Sequence[tuple[str, Source, bytes]]
Learned = Callable[[Part, Known], None]


class Warmup:
    """Reads decisions on a thread of its own, one partition after the other.

    Args:
        settings: Where Kafka is.
        topic: The attempts topic.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self._topic = topic
        self._wanted: queue.SimpleQueue[tuple[Part, Mark, Learned] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._consumer = clients.plain_consumer(settings)
        self._thread = threading.Thread(target=self._run, name="warmup", daemon=True)
        self._thread.start()

    def learn(self, part: Part, mark: Mark, learned: Learned) -> None:
        """Read what was decided about a partition; `learned` is called on this object's thread.

        Args:
            part: The partition that was taken over.
            mark: What the last commit of it remembered; without one, the last ten minutes are read.
            learned: Gets identity, source and packed decision of every decision found.
        """
        self._wanted.put((part, mark, learned))

    def stop(self) -> None:
        """Stop reading; what is not known by then is told to nobody."""
        self._stopping.set()
        self._wanted.put(None)
        self._thread.join(5.0)

    def _run(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            part, mark, learned = wanted
            known = self._patiently(part.partition, mark)
            if known is not None:
                learned(part, known)
        self._consumer.close()

    def _patiently(self, partition: int, mark: Mark) -> Known | None:
        while not self._stopping.is_set():
            try:
                return list(_decisions(self._consumer, self._topic, partition, mark))
            except KafkaException as error:
                # Nothing of the partition starts meanwhile: better late than twice.
                _log.warning(
                    "decisions of partition %d cannot be read yet: %s", partition, error.args[0].str()
                )
                self._stopping.wait(AGAIN_S)
        return None


def _decisions(consumer: Consumer, topic: str, partition: int, mark: Mark) -> list[tuple[str, Source, bytes]]:
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=5.0)
    start = _start(consumer, topic, partition, mark, end)
    found: list[tuple[str, Source, bytes]] = []
    if start >= end:
        return found
    consumer.assign([TopicPartition(topic, partition, start)])
    position = start
    while position < end:
        first = consumer.poll(5.0)
        if first is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        for message in (first, *consumer.consume(2_000, 0)):
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            position = (message.offset() or 0) + 1
            try:
                found.append(deliveries.read_decision(headers_of(message)))
            except Undecodable as poison:
                _log.error("%s %d offset %s is passed over: %s", topic, partition, message.offset(), poison)
    consumer.unassign()
    return found


def _start(consumer: Consumer, topic: str, partition: int, mark: Mark, end: int) -> int:
    since_ms = (mark.time_ms or time.time_ns() // 1_000_000) - MARGIN_MS
    asked = [TopicPartition(topic, partition, max(0, since_ms))]
    (found,) = each_known(consumer.offsets_for_times(asked, timeout=5.0))
    by_time = found.offset if found.offset >= 0 else end
    return min(by_time, mark.position) if mark.time_ms else by_time
