"""What waits in Kafka, over the whole installation: by consumer groups' offsets, not by reading records.

Of each topic the oldest record that waits is read, one a partition, for its age.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec, TopicMetadata

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

Partition = tuple[str, int]
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


@dataclass(frozen=True, slots=True)
class _Looked:
    """How far programs have come at one moment: where each partition ends and begins, and each program's progress."""

    ends: Mapping[Partition, int]
    lows: Mapping[Partition, int]
    progress: Mapping[tuple[str, Partition], Progress]

    def lag(self) -> dict[tuple[str, str], int]:
        """Return by program and topic how many records it has not finished."""
        found = Counter[tuple[str, str]]()
        for (program, place), progress in self.progress.items():
            found[program, place[0]] += count(self.ends[place], progress)
        return dict(found)

    def firsts(self, program: str) -> dict[Partition, int]:
        """Return the oldest record that waits for a program, of each partition where one does.

        What retention has taken does not wait any more.
        """
        return {
            place: max(progress.first, self.lows[place])
            for (name, place), progress in self.progress.items()
            if name == program and count(self.ends[place], progress)
        }


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
        self._lock = threading.Lock()
        self._closed = False

    def read(self) -> Backlog:
        """Return what waits now.

        Raises:
            KafkaUnavailable: No answer.
        """
        return self._asked(lambda: self._backlog(self._look(self._sent())))

    def read_all(self) -> Backlog:
        """Return the same with the lag of every program; raises as `read`."""

        def ask() -> Backlog:
            looked = self._look(self._sent() | self._beside())
            return replace(self._backlog(looked), lag=looked.lag())

        return self._asked(ask)

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
                raise clients.unavailable("", error) from error

    def _sent(self) -> dict[str, list[str]]:
        """Return program to topics, of the programs that send on what waits."""
        topics = self._topics
        return {
            "delivery": [topics.deliveries, topics.redeliveries],
            "delay": [topics.delay(tier) for tier in tiers.TIERS],
        }

    def _beside(self) -> dict[str, list[str]]:
        topics = self._topics
        return {
            "router": [topics.events(name) for name in load_systems()],
            "ledger": [topics.attempts, topics.deliveries, topics.redeliveries],
        }

    def _backlog(self, looked: _Looked) -> Backlog:
        topics, counts = self._topics, looked.lag()
        ages = self._ages_s(
            {place: first for program in self._sent() for place, first in looked.firsts(program).items()}
        )
        return Backlog(
            live=counts["delivery", topics.deliveries],
            due=counts["delivery", topics.redeliveries],
            tiers={
                tier: Waiting(counts["delay", topics.delay(tier)], ages.get(topics.delay(tier)))
                for tier in tiers.TIERS
            },
            live_age_s=ages.get(topics.deliveries),
            due_age_s=ages.get(topics.redeliveries),
        )

    def _look(self, read: Mapping[str, list[str]]) -> _Looked:
        """Ask how far programs have come in the topics that they read."""
        topics = sorted({topic for each in read.values() for topic in each})
        # Each time anew, and of the client that asks for offsets: partitions are added while programs run.
        there = self._admin.list_topics(timeout=_ANSWER_S).topics
        places = [(topic, partition) for topic in topics for partition in _partitions(there, topic)]
        ends, lows = (self._offsets(places, spec) for spec in (OffsetSpec.latest, OffsetSpec.earliest))
        progress = {}
        for program, names in read.items():
            known = self._progress(program)
            for place in places:
                if place[0] in names:
                    progress[program, place] = known.get(place, Progress(lows[place]))
        return _Looked(ends, lows, progress)

    def _offsets(self, places: list[Partition], spec: Callable[[], Any]) -> dict[Partition, int]:
        asked = {TopicPartition(*place): spec() for place in places}
        answers = self._admin.list_offsets(asked, request_timeout=_ANSWER_S)
        return {(at.topic, at.partition): answer.result().offset for at, answer in answers.items()}

    def _progress(self, program: str) -> dict[Partition, Progress]:
        asked: Any = [ConsumerGroupTopicPartitions(self._topics.group(program))]
        (answer,) = self._admin.list_consumer_group_offsets(asked, request_timeout=_ANSWER_S).values()
        found = {}
        for place in answer.result().topic_partitions or ():
            if place.offset >= 0:
                found[place.topic, place.partition] = committed(place.offset, place.metadata or "")
        return found

    def _ages_s(self, firsts: Mapping[Partition, int]) -> dict[str, float]:
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


def _partitions(known: Mapping[str, TopicMetadata], topic: str) -> list[int]:
    found = known.get(topic)
    if found is None:
        raise KafkaUnavailable(f"there is no topic {topic}")
    if found.error is not None:
        raise KafkaException(found.error)
    return sorted(found.partitions)
