"""What waits in Kafka, over the whole installation: by consumer groups' offsets, not by reading records.

Of each topic the oldest record that waits is read, one a partition, for its age.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from tocsin import tiers
from tocsin.errors import KafkaUnavailable
from tocsin.kafka import clients, window
from tocsin.kafka.lease import without_tag
from tocsin.kafka.topics import Topics
from tocsin.settings import Settings
from tocsin.wire.systems import load_systems

T = TypeVar("T")

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
    """What waits: live work, due work, and what is not due yet, by tier.

    Attributes:
        live_age_s: How long the oldest live work has lain there; as of `Waiting`, and so is `due_age_s`.
        lag: By program and topic, how many records it has not finished.
    """

    live: int
    due: int
    tiers: Mapping[str, Waiting]
    live_age_s: float | None = None
    due_age_s: float | None = None
    lag: Mapping[tuple[str, str], int] = field(default_factory=dict)


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


def committed(offset: int, metadata: str) -> Progress:
    """Return what a commit says of a partition: its window, behind which the lease's tag may stand."""
    _, runs = window.unpack(without_tag(metadata))
    return Progress(offset, sum(last - first + 1 for first, last in runs))


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
        self._closed = False

    def read(self) -> Backlog:
        """Return what waits now.

        Raises:
            KafkaUnavailable: No answer.
        """
        return self._asked(self._read)

    def read_all(self) -> Backlog:
        """Return the same with the lag of every program; raises as `read`."""
        return replace(self.read(), lag=self._asked(self._lag))

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._closed = True
            self._consumer.close()

    def _asked(self, ask: Callable[[], T]) -> T:
        with self._lock:
            if self._closed:
                raise KafkaUnavailable("the connection is closed")
            try:
                return ask()
            except KafkaException as error:
                raise KafkaUnavailable(error.args[0].str()) from error

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
        firsts = {place: max(progress[place].first, lows[place]) for place in places if counts[place]}
        ages = self._ages_s(firsts)

        def total(topic: str) -> int:
            return sum(number for (name, _), number in counts.items() if name == topic)

        return Backlog(
            live=total(topics.deliveries),
            due=total(topics.redeliveries),
            tiers={tier: Waiting(total(topic), ages.get(topic)) for topic, tier in delays.items()},
            live_age_s=ages.get(topics.deliveries),
            due_age_s=ages.get(topics.redeliveries),
        )

    def _lag(self) -> dict[tuple[str, str], int]:
        topics = self._topics
        read = {
            "router": [topics.events(name) for name in load_systems()],
            "delivery": [topics.deliveries, topics.redeliveries],
            "delay": [topics.delay(tier) for tier in tiers.TIERS],
            "ledger": [topics.attempts, topics.deliveries, topics.redeliveries],
        }
        places = {
            (topic, partition)
            for each in read.values()
            for topic in each
            for partition in self._numbers(topic)
        }
        ends, lows = (
            self._offsets(sorted(places), spec) for spec in (OffsetSpec.latest, OffsetSpec.earliest)
        )
        found = {}
        for program, names in read.items():
            known = self._progress(program)
            for topic in names:
                found[program, topic] = sum(
                    count(ends[place], known.get(place, Progress(lows[place])))
                    for place in ((topic, partition) for partition in self._numbers(topic))
                )
        return found

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
                found[place.topic, place.partition] = committed(place.offset, place.metadata or "")
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
