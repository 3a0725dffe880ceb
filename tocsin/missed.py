"""What an endpoint missed: events of a period that its subscription wants now, and that were never delivered to it.

The events topic says what happened, also while the endpoint was disabled and before it subscribed. The attempts say
what was delivered of it, and with the deliveries what is still on its way. All three are asked up to offsets that are
fixed first. Of the events only those are asked that the router is done with: it delivers the others itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from tocsin import deliveries, fanout, filters, intake, patterns
from tocsin.errors import ConfigurationError, Undecodable
from tocsin.intake import Arrived
from tocsin.kafka import groups, partitioner, snapshot
from tocsin.kafka.codec import Decoder, Headers
from tocsin.kafka.reader import Record, headers_of, record_of
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.matching import Index
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import Systems

_log = logging.getLogger("tocsin.missed")

Fate = Literal["never", "dead", "waiting", "delivered"]
"""What became of an event's delivery: there was none, it is dead-lettered, it is on its way, or it was delivered."""

MISSED: Final[frozenset[Fate]] = frozenset({"never", "dead"})

SKEW_MS: Final = 3_600_000
"""Brokers refuse records whose time is more ahead of theirs: so far apart may two clocks be."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Up to where is looked.

    Attributes:
        events: Partition of the events topic to the offset before which the router is done with all.
        deliveries: End of the subscription's partition of the deliveries topic.
        attempts: End of the same partition of the attempts topic.
    """

    events: Mapping[int, int]
    deliveries: int
    attempts: int


class Looked(NamedTuple):
    """A record of the events topic that was looked at; `arrived` is None if it is nothing that is wanted."""

    partition: int
    offset: int
    timestamp_ms: int
    headers: Headers
    arrived: Arrived | None = None
    delivery_id: str = ""
    fate: Fate = "delivered"


class Search:
    """Looks for what one subscription missed.

    Args:
        subscription: Whose; what it wants today counts, whether it is active or not.
        since_ms: The period's first moment by the events' own times in Kafka, milliseconds since the epoch.
        until_ms: The first moment after it; None for now.

    Raises:
        ConfigurationError: The subscription is of a system that this installation does not have.
        FilterInvalid: Nobody can read what it wants.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        systems: Systems,
        subscription: Subscription,
        *,
        since_ms: int,
        until_ms: int | None = None,
    ) -> None:
        if subscription.filters is not None:
            filters.predicate(subscription.filters)
        if subscription.system not in systems:
            raise ConfigurationError(
                f"schemas/{subscription.system}", "", f"is not there, and {subscription.id} is of this system"
            )
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._decoder = Decoder(registry)
        self._subscription = subscription
        self._system = systems[subscription.system]
        self._since_ms = since_ms
        self._until_ms = until_ms
        self._index = Index(
            {name: system.event_types for name, system in systems.items()},
            {name for system in systems.values() for name in system.notices},
        )
        self._index.update(subscription.id, replace(subscription, active=True))

    def extent(self) -> Extent:
        """Fix up to where is looked.

        Raises:
            KafkaUnavailable: No answer.
        """
        topic = self._topics.events(self._system.name)
        # The router first: whatever it was done with by then stands in the deliveries that are asked after.
        routed = groups.committed(self._settings, self._topics.group("router")).get(topic, {})
        ends = snapshot.ends(self._settings, topic)
        return Extent(
            {partition: min(end, routed.get(partition, 0)) for partition, end in ends.items()},
            self._own_end(self._topics.deliveries),
            self._own_end(self._topics.attempts),
        )

    def fates(self, extent: Extent, idle: Callable[[], None] | None = None) -> dict[str, Fate]:
        """Return what became of the subscription's deliveries in the period, by their ids; raises as `extent`."""
        fates: dict[str, Fate] = {}
        for headers in self._own(self._topics.deliveries, extent.deliveries, idle):
            fates[deliveries.first_value(headers, "tocsin_delivery_id") or ""] = "waiting"
        for headers in self._own(self._topics.attempts, extent.attempts, idle):
            delivery_id, fate = _decided(headers)
            if fates.get(delivery_id) != "delivered":
                fates[delivery_id] = fate
        return fates

    def look(
        self,
        fates: Mapping[str, Fate],
        *,
        end: Mapping[int, int],
        start: Mapping[int, int] | None = None,
        idle: Callable[[], None] | None = None,
    ) -> Iterator[Looked]:
        """Yield the records of the period, each partition's in order, with the fate of those that are wanted.

        Args:
            fates: As `fates` returns them.
            end: Partition to the offset before which is looked.
            start: Partition to the first offset to look at, if that is not the period's beginning.

        Raises:
            KafkaUnavailable: No answer.
            RegistryUnavailable: An event's schema cannot be looked up now.
        """
        topic = self._topics.events(self._system.name)
        begins = snapshot.since(self._settings, topic, self._since_ms)
        # A partition that has nothing since then is not read at all.
        within = {partition: end[partition] for partition in begins if partition in end}
        first = {partition: max(begins[partition], (start or {}).get(partition, 0)) for partition in within}
        for message in snapshot.read(self._settings, topic, within, start=first, idle=idle):
            yield self._looked(record_of(message), fates)

    def _looked(self, record: Record, fates: Mapping[str, Fate]) -> Looked:
        passed = Looked(record.partition, record.offset, record.timestamp_ms, record.headers)
        if not self._concerns(record):
            return passed
        try:
            arrived = intake.read(record, self._system, self._decoder)
        except Undecodable as error:
            _log.info("%s %d offset %d: %s", record.topic, record.partition, record.offset, error)
            return passed  # it is in quarantine
        if not self._index.match(arrived.event, self._system.name, arrived.data).subscriptions:
            return passed
        delivery_id = str(fanout.delivery_id(arrived.event, self._subscription))
        return passed._replace(arrived=arrived, delivery_id=delivery_id, fate=fates.get(delivery_id, "never"))

    def _concerns(self, record: Record) -> bool:
        """Whether a record may be wanted, as far as its headers and its time say."""
        in_time = record.timestamp_ms >= self._since_ms and (
            self._until_ms is None or record.timestamp_ms < self._until_ms
        )
        if not in_time or _header(record, "ce_organization") != self._subscription.organization:
            return False
        event_type = _header(record, "ce_type") or ""
        return any(patterns.matches(pattern, event_type) for pattern in self._subscription.event_types)

    def _own(self, topic: str, end: int, idle: Callable[[], None] | None) -> Iterator[Headers]:
        """Yield the headers of the subscription's own records of the period, and what is just outside of it."""
        key = self._subscription.id.encode()
        begins = snapshot.since(self._settings, topic, max(self._since_ms - SKEW_MS, 0))
        ends = self._earlier_ends(topic) | {self._partition(topic): end}
        within = {partition: end for partition, end in ends.items() if partition in begins}
        for message in snapshot.read(self._settings, topic, within, start=begins, idle=idle):
            if message.key() == key:
                yield headers_of(message)

    def _own_end(self, topic: str) -> int:
        return snapshot.ends(self._settings, topic)[self._partition(topic)]

    def _earlier_ends(self, topic: str) -> dict[int, int]:
        # Nothing of the subscription is written there any more: where they end now is where they ended.
        ends, earlier = snapshot.ends(self._settings, topic), self._settings.partitions_earlier
        homes = partitioner.homes(self._subscription.id.encode(), len(ends), earlier)
        return {partition: ends[partition] for partition in homes}

    def _partition(self, topic: str) -> int:
        count = len(snapshot.ends(self._settings, topic))
        return partitioner.partition(self._subscription.id.encode(), count)


def undelivered(search: Search, check: Callable[[], None] | None = None) -> Iterator[Looked]:
    """Yield what was not delivered, each delivery once: an event may have been published twice.

    Args:
        check: Called again and again meanwhile; what it raises ends the search.

    Raises:
        KafkaUnavailable: No answer.
        RegistryUnavailable: An event's schema cannot be looked up now.
    """
    extent, met = search.extent(), set[str]()
    for looked in search.look(search.fates(extent, check), end=extent.events, idle=check):
        if check is not None:
            check()
        if looked.arrived is not None and looked.fate != "delivered" and looked.delivery_id not in met:
            met.add(looked.delivery_id)
            yield looked


def _decided(headers: Headers) -> tuple[str, Fate]:
    """Return delivery id and fate of an attempt record; of one that cannot be read nothing that ever matches."""
    try:
        identity, _, packed = deliveries.read_decision(headers)
        verdict = deliveries.unpack_decision(packed).verdict
    except Undecodable:
        return "", "waiting"
    delivery_id = identity.partition(":")[0]
    if verdict == "delivered":
        return delivery_id, "delivered"
    return delivery_id, "dead" if verdict == "dead_letter" else "waiting"


def _header(record: Record, name: str) -> str | None:
    return deliveries.first_value(record.headers, name)
