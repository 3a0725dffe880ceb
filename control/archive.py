"""What stands in Kafka's topics and in no store: read for one request, and forgotten.

Dead letters and what was never delivered are read forwards, whole; the audit and quarantine backwards, as far as a page
needs. Kept is only which quarantined records were sent back.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import Message

from control import newest
from control.cursor import Position
from control.newest import Place
from control.page import Spot
from control.reading import Check
from tocsin import audit, missed, purges, quarantined, tally
from tocsin.audit import Entry
from tocsin.errors import Undecodable
from tocsin.jobs import Job
from tocsin.kafka import partitioner, pipeline, snapshot
from tocsin.kafka.codec import Decoder
from tocsin.kafka.reader import headers_of
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.missed import Fate, Looked, Search
from tocsin.quarantined import REDRIVEN, Quarantined
from tocsin.selection import Selection
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription
from tocsin.tally import Tally
from tocsin.wire.systems import Systems


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What was not delivered of a period.

    Attributes:
        rows: The oldest of them behind a position, at most as many as were asked for and one more.
        counts: How many there are of each fate, in the whole period.
    """

    rows: list[Looked]
    counts: Counter[Fate]


class Archive:
    """Reads the topics of one installation; every method raises KafkaUnavailable and RegistryUnavailable.

    Args:
        jobs: Returns every job: the purges among them count.
    """

    def __init__(
        self, settings: Settings, registry: Registry, systems: Systems, jobs: Callable[[], list[Job]]
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._systems = systems
        self._jobs = jobs
        self._topics = Topics(settings.topic_prefix)
        self._redriven = Redriven(settings, registry)

    def count(self, selection: Selection, check: Check) -> Tally:
        """Count the dead letters that a selection means and no purge has struck off."""
        return tally.count(self._settings, selection, purges.done(self._jobs()), check)

    def undelivered(
        self,
        subscription: Subscription,
        *,
        since_ms: int,
        until_ms: int | None,
        after: Position | None,
        limit: int,
        check: Check,
    ) -> Undelivered:
        """Look for what a subscription missed in a period, and what is still on its way.

        Raises:
            FilterInvalid: Nobody can read what the subscription wants.
        """
        search = Search(
            self._settings,
            self._registry,
            self._systems,
            subscription,
            since_ms=since_ms,
            until_ms=until_ms,
        )
        counts = Counter[Fate]()

        def behind() -> Iterator[Looked]:
            for looked in missed.undelivered(search, check):
                counts[looked.fate] += 1
                if after is None or place_of(looked) > after:
                    yield looked

        return Undelivered(heapq.nsmallest(limit + 1, behind(), key=place_of), counts)

    def entries(
        self, organization: str, before: Place | None, check: Check
    ) -> Iterator[tuple[Place, Entry | None]]:
        """Yield what the audit tells of an organization, the newest first; None for what is about another one."""
        topic, decode = self._topics.audit, pipeline.decoder(self._registry, "audit_entry")
        key = organization.encode()
        homes = partitioner.homes(
            key, len(snapshot.ends(self._settings, topic)), self._settings.partitions_earlier
        )
        own = homes.pop() if len(homes) == 1 else None
        for message in newest.newest(self._settings, topic, partition=own, before=before, check=check):
            check()
            yield newest.place(message), _entry(message, decode) if message.key() == key else None

    def quarantined(self, before: Place | None, check: Check) -> Iterator[tuple[Place, Quarantined | None]]:
        """Yield what is quarantined, the newest first; None for what nobody can read even there."""
        read = quarantined.reader(self._registry)
        for message in newest.newest(self._settings, self._topics.quarantine, before=before, check=check):
            check()
            yield newest.place(message), read(message)

    def quarantined_at(self, spots: Sequence[Spot | None], check: Check) -> list[Quarantined | None]:
        """Return what is quarantined at some spots, in their order; None where nothing is."""
        read = quarantined.reader(self._registry)
        ends = snapshot.ends(self._settings, self._topics.quarantine)
        found = list[Quarantined | None]()
        for spot in spots:
            check()
            message = self._at(spot, check) if spot is not None and spot[1] < ends.get(spot[0], 0) else None
            found.append(None if message is None else read(message))
        return found

    def _at(self, spot: Spot, check: Check) -> Message | None:
        partition, offset = spot
        end, start = {partition: offset + 1}, {partition: offset}
        records = snapshot.read(self._settings, self._topics.quarantine, end, start=start, idle=check)
        return next((each for each in records if each.offset() == offset), None)

    def redriven(self, check: Check) -> frozenset[str]:
        """Return the ids of the quarantined records that were sent back."""
        return self._redriven.ids(check)


class Redriven:
    """Which quarantined records were sent back: the audit says so. It is read once, from then on what is new of it."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._topic = Topics(settings.topic_prefix).audit
        self._next: dict[int, int] = {}
        self._ids: set[str] = set()
        self._lock = threading.Lock()

    def ids(self, check: Check) -> frozenset[str]:
        """Return their ids."""
        with self._lock:
            decode = pipeline.decoder(self._registry, "audit_entry")
            ends = snapshot.ends(self._settings, self._topic)
            for message in snapshot.read(
                self._settings, self._topic, ends, start=dict(self._next), idle=check
            ):
                check()
                entry = _entry(message, decode)
                if entry is not None and entry.action == REDRIVEN:
                    self._ids.add(entry.object)
                # Kept although the rest may take too long: the next question goes on from here.
                self._next[message.partition() or 0] = (message.offset() or 0) + 1
            return frozenset(self._ids)


def place_of(looked: Looked) -> Position:
    """Return where an event that was not delivered stands in a list: by its time in Kafka, then by its delivery."""
    return looked.timestamp_ms, looked.delivery_id


def _entry(message: Message, decode: Decoder) -> Entry | None:
    try:
        return audit.from_record(decode(message.value(), headers_of(message)).record)
    except Undecodable:
        return None
