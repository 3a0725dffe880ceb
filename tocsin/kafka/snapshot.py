"""A topic as it stood at one moment: its end offsets are fixed first, then it is read up to them.

What is written meanwhile is not met, so that a reader who writes where he reads comes to an end.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tocsin.errors import KafkaUnavailable
from tocsin.kafka import clients
from tocsin.kafka.reader import each_known
from tocsin.settings import Settings

_log = logging.getLogger("tocsin.kafka.snapshot")

_BATCH: Final = 1_000
_ANSWER_S: Final = 10.0
_STALLED_S: Final = 30.0


def ends(settings: Settings, topic: str) -> dict[int, int]:
    """Return the offset after the last record of every partition of a topic, by partition.

    Raises:
        KafkaUnavailable: No answer, or no such topic.
    """
    return {partition: end for partition, (_, end) in bounds(settings, topic).items()}


def bounds(settings: Settings, topic: str) -> dict[int, tuple[int, int]]:
    """Return the offsets of the first record and after the last, by partition; raises as `ends`."""
    consumer = clients.plain_consumer(settings)
    try:
        return {
            partition: _watermarks(consumer, topic, partition) for partition in _partitions(consumer, topic)
        }
    except KafkaException as error:
        raise clients.unavailable(topic, error) from error
    finally:
        consumer.close()


def since(settings: Settings, topic: str, at_ms: int) -> dict[int, int]:
    """Return the offset of the first record of a moment or later, of every partition that has one; raises as `ends`.

    Args:
        at_ms: The moment by the records' own times, milliseconds since the epoch.
    """
    consumer = clients.plain_consumer(settings)
    try:
        asked = [TopicPartition(topic, partition, at_ms) for partition in _partitions(consumer, topic)]
        found = each_known(consumer.offsets_for_times(asked, timeout=_ANSWER_S))
    except KafkaException as error:
        raise clients.unavailable(topic, error) from error
    finally:
        consumer.close()
    return {place.partition: place.offset for place in found if place.offset >= 0}


def read(
    settings: Settings,
    topic: str,
    ends: Mapping[int, int],
    *,
    start: Mapping[int, int] | None = None,
    idle: Callable[[], None] | None = None,
) -> Iterator[Message]:
    """Yield the records of a topic up to `ends`, each partition in offset order, partitions mixed.

    Args:
        ends: Partition to the offset before which it ends; partitions not named are not read.
        start: Partition to the first offset wanted; a partition's first record when not named.
        idle: Called whenever the broker has nothing for 0.1 s, while there is something left; what it raises ends
            the reading.

    Raises:
        KafkaUnavailable: No answer.
    """
    wanted = start or {}
    consumer = clients.plain_consumer(
        settings, **{"enable.partition.eof": True, "queued.max.messages.kbytes": 16_384}
    )
    try:
        left = _begin(consumer, topic, ends, wanted)
        waited_since = time.monotonic()
        while left:
            messages = consumer.consume(_BATCH, 0) or _wait(consumer)
            if messages:
                yield from _taken(consumer, topic, messages, ends, left)
                waited_since = time.monotonic()
            elif time.monotonic() - waited_since > _STALLED_S:
                raise KafkaUnavailable(f"{topic}: nothing came for {_STALLED_S:.0f} s")
            elif idle is not None:
                idle()
    except KafkaException as error:
        raise clients.unavailable(topic, error) from error
    finally:
        consumer.close()


def _begin(consumer: Consumer, topic: str, ends: Mapping[int, int], start: Mapping[int, int]) -> set[int]:
    """Assign the partitions that hold something of the snapshot and return them."""
    assigned = []
    for partition, end in ends.items():
        low, _ = _watermarks(consumer, topic, partition)
        first = max(low, start.get(partition, low))
        if first < end:
            assigned.append(TopicPartition(topic, partition, first))
    if assigned:
        consumer.assign(assigned)
    return {tp.partition for tp in assigned}


def _wait(consumer: Consumer) -> list[Message]:
    first = consumer.poll(0.1)
    return [] if first is None else [first]


def _taken(
    consumer: Consumer, topic: str, messages: list[Message], ends: Mapping[int, int], left: set[int]
) -> Iterator[Message]:
    for message in messages:
        partition, offset = message.partition() or 0, message.offset() or 0
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            if error.fatal():
                raise KafkaException(error)
            _log.warning("%s: %s", topic, error.str())
            continue
        if partition not in left:
            continue
        if error is None and offset < ends[partition]:
            yield message
        # The end of the log may come before the snapshot's end, if the log was cut: there is no more to wait for.
        if error is not None or offset + 1 >= ends[partition]:
            left.discard(partition)
            consumer.incremental_unassign([TopicPartition(topic, partition)])


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    found = consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return sorted(found.partitions)


def _watermarks(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    deadline_s = time.monotonic() + _ANSWER_S
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_ANSWER_S)
            return int(low), int(high)
        except KafkaException as error:
            # A partition without a leader gets one soon.
            if not error.args[0].retriable() or time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)
