"""A topic read from a starting point to its end, and on from there if wanted: for listings and for following."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from tocsin.cli.cluster import Cluster
from tocsin.kafka import clients, snapshot
from tocsin.kafka.codec import Decoder
from tocsin.kafka.reader import headers_of

SORTED_TOGETHER: Final = 10_000
"""How many records of the past are put in order of time at once: partitions come mixed."""

_MOMENT_S: Final = 0.2
_QUIET_S: Final = 5.0
_ANSWER_S: Final = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Newest:
    """Start this many records before the end of each partition."""

    count: int


@dataclass(frozen=True, slots=True)
class Since:
    """Start at the first record of this time, milliseconds since the epoch; 0 is the beginning."""

    at_ms: int


def read(
    cluster: Cluster,
    topic: str,
    start: Newest | Since,
    *,
    follow: bool,
    partitions: Collection[int] | None = None,
) -> Iterator[Sequence[Message]]:
    """Yield a topic's records in batches, each in order of time.

    What stands there already comes first: from `Newest` as one batch, from `Since` in as many as it needs, with an
    empty one at its end. Whoever follows then gets what comes, and an empty batch when nothing came for a moment.

    Args:
        follow: Go on after the end, for ever.
        partitions: Read these alone; None reads all.

    Raises:
        Failure: There is no such topic.
        KafkaUnavailable: The broker stopped answering.
    """
    wanted = cluster.partitions(topic) if partitions is None else partitions
    ends = {part: end for part, end in snapshot.ends(cluster.settings, topic).items() if part in wanted}
    begins = _begins(cluster, topic, start, ends)
    past = snapshot.read(cluster.settings, topic, ends, start=begins)
    if isinstance(start, Newest):
        yield _in_time(past)
    else:
        while batch := _in_time(itertools.islice(past, SORTED_TOGETHER)):
            yield batch
        yield ()
    if follow:
        yield from _coming(cluster, topic, ends)


def latest(cluster: Cluster, topic: str, decode: Callable[[Message], T]) -> dict[str, T]:
    """Return the latest value of every key of a compacted topic; raises as `read`."""
    rows: dict[str, T] = {}
    for batch in read(cluster, topic, Since(0), follow=False):
        for message in batch:
            key = (message.key() or b"").decode("utf-8", "replace")
            if message.value() is None:
                rows.pop(key, None)
            else:
                rows[key] = decode(message)
    return rows


def record(decode: Decoder, message: Message) -> dict[str, Any]:
    """Return the Avro record a message holds; raises as `Decoder`."""
    return decode(message.value(), headers_of(message)).record


def _coming(cluster: Cluster, topic: str, begins: Mapping[int, int]) -> Iterator[Sequence[Message]]:
    with closing(clients.plain_consumer(cluster.settings)) as consumer:
        consumer.assign([TopicPartition(topic, part, begin) for part, begin in begins.items()])
        heard_s = time.monotonic()
        while True:
            first = consumer.poll(_MOMENT_S)
            batch = [] if first is None else [first, *consumer.consume(5_000, 0)]
            coming = _in_time(message for message in batch if message.error() is None)
            # A client whose brokers are gone is as quiet as a topic in which nothing happens.
            if not coming and time.monotonic() - heard_s > _QUIET_S:
                _require_answer(consumer, topic)
                heard_s = time.monotonic()
            elif coming:
                heard_s = time.monotonic()
            yield coming


def _require_answer(consumer: Consumer, topic: str) -> None:
    try:
        consumer.list_topics(topic, timeout=_ANSWER_S)
    except KafkaException as error:
        raise clients.unavailable(topic, error) from error


def _begins(cluster: Cluster, topic: str, start: Newest | Since, ends: Mapping[int, int]) -> dict[int, int]:
    if isinstance(start, Newest):
        return {part: max(end - start.count, 0) for part, end in ends.items()}
    if not start.at_ms:
        return {}
    return {**ends, **snapshot.since(cluster.settings, topic, start.at_ms)}


def _in_time(messages: Iterator[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: message.timestamp()[1])
