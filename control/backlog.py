"""What waits in Kafka, over the whole installation: by consumer groups' offsets, not by reading records.

Of each delay topic the oldest record that waits is read, one a partition, for its age.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from tocsin import tiers
from tocsin.errors import KafkaUnavailable
from tocsin.kafka import clients, window
from tocsin.kafka.topics import Topics
from tocsin.settings import Settings

_ANSWER_S: Final = 3.0
_READ_S: Final = 1.0

Place = tuple[str, int]
"""A topic and one of its partitions."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in a topic.

    Attributes:
        count: How many records.
        oldest_age_s: How long the oldest has lain there; None if nothing does, or it is not known now.
    """

    count: int
    oldest_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: live work, due work, and what is not due yet, by tier."""

    live: int
    due: int
    tiers: Mapping[str, Waiting]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a group has come in a partition.

    Attributes:
        first: The lowest offset that is not finished.
        finished: How many above it are.
    """

    first: int
    finished: int = 0


def count(end: int, progress: Progress) -> int:
    """Return how many records of a partition wait.

    Args:
        end: The offset after its last record.
        progress: How far its group has come.
    """
    return max(end - progress.first - progress.finished, 0)


class BacklogReader:
    """Asks Kafka; one at a time.

    Args:
        settings: Where Kafka is.
        clock_ms: The time of day, milliseconds since the epoch.
    """

    def __init__(self, settings: Settings, clock_ms: Callable[[], int]) -> None:
        self._topics = Topics(settings.topic_prefix)
        self._clock_ms = clock_ms
        self._admin = clients.admin(settings)
        # The first bytes of a batch hold its time, but a batch is fetched whole.
        self._consumer = clients.plain_consumer(
            settings, **{"fetch.message.max.bytes": 1_024, "queued.min.messages": 1}
        )
        self._partitions: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def read(self) -> Backlog:
        """Return what waits now.

        Raises:
            KafkaUnavailable: No answer.
        """
        with self._lock:
            try:
                return self._read()
            except KafkaException as error:
                raise KafkaUnavailable(error.args[0].str()) from error

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._consumer.close()

    def _read(self) -> Backlog:
        topics = self._topics
        delays = {topics.delay(tier): tier for tier in tiers.TIERS}
        places = [
            (topic, partition)
            for topic in (topics.deliveries, topics.redeliveries, *delays)
            for partition in self._numbers(topic)
        ]
        ends, lows = (self._offsets(places, spec) for spec in (OffsetSpec.latest, OffsetSpec.earliest))
        known = self._progress("delivery") | self._progress("delay")
        progress = {place: known.get(place, Progress(lows[place])) for place in places}
        counts = {place: count(ends[place], progress[place]) for place in places}
        # What retention has taken does not wait any more.
        firsts = {
            place: max(progress[place].first, lows[place])
            for place in places
            if counts[place] and place[0] in delays
        }
        ages = self._ages_s(firsts)

        def total(topic: str) -> int:
            return sum(number for (name, _), number in counts.items() if name == topic)

        return Backlog(
            live=total(topics.deliveries),
            due=total(topics.redeliveries),
            tiers={tier: Waiting(total(topic), ages.get(topic)) for topic, tier in delays.items()},
        )

    def _numbers(self, topic: str) -> list[int]:
        known = self._partitions.get(topic)
        if known is None:
            found = self._consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic]
            if found.error is not None:
                raise KafkaException(found.error)
            known = self._partitions[topic] = sorted(found.partitions)
        return known

    def _offsets(self, places: list[Place], spec: Callable[[], Any]) -> dict[Place, int]:
        asked = {TopicPartition(*place): spec() for place in places}
        answers = self._admin.list_offsets(asked, request_timeout=_ANSWER_S)
        return {(at.topic, at.partition): answer.result().offset for at, answer in answers.items()}

    def _progress(self, program: str) -> dict[Place, Progress]:
        asked: Any = [ConsumerGroupTopicPartitions(self._topics.group(program))]
        (answer,) = self._admin.list_consumer_group_offsets(asked, request_timeout=_ANSWER_S).values()
        found = {}
        for place in answer.result().topic_partitions or ():
            if place.offset >= 0:
                _, runs = window.unpack(place.metadata or "")
                finished = sum(last - first + 1 for first, last in runs)
                found[place.topic, place.partition] = Progress(place.offset, finished)
        return found

    def _ages_s(self, firsts: Mapping[Place, int]) -> dict[str, float]:
        """Return topic to the age of its oldest record, of those that come in time."""
        oldest: dict[str, int] = {}
        left, until_s = set(firsts), time.monotonic() + _READ_S
        if left:
            self._consumer.assign([TopicPartition(*place, offset) for place, offset in firsts.items()])
        while left and time.monotonic() < until_s:
            message = self._consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            topic, partition = message.topic() or "", message.partition() or 0
            if (topic, partition) in left:
                left.discard((topic, partition))
                self._consumer.incremental_unassign([TopicPartition(topic, partition)])
                at_ms = message.timestamp()[1]
                oldest[topic] = min(oldest.get(topic, at_ms), at_ms)
        self._consumer.unassign()
        now_ms = self._clock_ms()
        return {topic: max(now_ms - at_ms, 0) / 1000 for topic, at_ms in oldest.items()}
