"""Quarantined records: what was found, where, why nobody could read it, and the way back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from confluent_kafka import Message

from tocsin import tiers
from tocsin.deliveries import first_value
from tocsin.errors import Undecodable
from tocsin.events import own_id, rfc3339
from tocsin.kafka import pipeline, snapshot
from tocsin.kafka.reader import headers_of
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing
from tocsin.settings import Settings

_log = logging.getLogger("tocsin.quarantined")

Header = tuple[str, bytes | None]

REDRIVEN: Final = "quarantine.redriven"
"""What the audit calls it; the audit is also what tells which records were sent back."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One record of the quarantine topic.

    Attributes:
        partition: Partition of the quarantine topic it lies in.
        offset: Its offset there.
        timestamp_ms: When it was set aside, milliseconds since the epoch.
        source_timestamp_ms: When the record itself was written.
        program: Who set it aside.
        redriven: Whether it was sent back since.
    """

    partition: int
    offset: int
    timestamp_ms: int
    source_topic: str
    source_partition: int
    source_offset: int
    source_timestamp_ms: int
    program: str
    reason: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[Header, ...] = field(repr=False)
    redriven: bool = False

    @property
    def id(self) -> str:
        """Its name for people: where it lies."""
        return f"{self.partition}-{self.offset}"

    @property
    def source(self) -> str:
        """Where it was found."""
        return f"{self.source_topic}/{self.source_partition}/{self.source_offset}"

    @property
    def organization(self) -> str:
        """The tenant it was for, if its headers say."""
        return first_value(self.headers, "ce_organization") or ""

    def can_return(self, topics: Topics) -> bool:
        """Whether it may be written again where it was found: a row of a table would undo what came after it."""
        streams = {topics.deliveries, topics.redeliveries, *(topics.delay(tier) for tier in tiers.TIERS)}
        return self.source_topic in streams or self.source_topic.startswith(topics.events(""))


def outgoing(found: Quarantined) -> Outgoing:
    """Return a quarantined record as it goes back: its key, bytes and headers.

    What an event has without saying so comes from where and when it was first written, and is said now: in its new place
    it would be another event.
    """
    missing: dict[str, str] = {}
    if ".events." in found.source_topic:
        missing["ce_id"] = own_id(found.source_topic, found.source_partition, found.source_offset)
        with suppress(ValueError, OverflowError):  # no time at all: then it has that of its new place
            missing["ce_time"] = rfc3339(datetime.fromtimestamp(found.source_timestamp_ms / 1000, UTC))
    known = {name for name, value in found.headers if value}
    added = [(name, value.encode()) for name, value in missing.items() if name not in known]
    return Outgoing(found.source_topic, found.key, found.value, [*found.headers, *added])


def scan(settings: Settings, registry: Registry) -> Iterator[Quarantined]:
    """Yield the quarantined records as they stand at this moment.

    Raises:
        KafkaUnavailable: No answer, or no such topic.
        RegistryUnavailable: Their schema cannot be looked up now.
    """
    topic, read = Topics(settings.topic_prefix).quarantine, reader(registry)
    for message in snapshot.read(settings, topic, snapshot.ends(settings, topic)):
        found = read(message)
        if found is not None:
            yield found


def reader(registry: Registry) -> Callable[[Message], Quarantined | None]:
    """Return what reads a record of the quarantine topic; None for one that is none itself.

    What it returns raises RegistryUnavailable.
    """
    decode = pipeline.decoder(registry, "quarantined")

    def read(message: Message) -> Quarantined | None:
        try:
            return _quarantined(message, decode(message.value(), headers_of(message)).record)
        except Undecodable as error:
            _log.error("%s %s is passed over: %s", message.topic(), message.offset(), error)
            return None

    return read


def _quarantined(message: Message, record: Mapping[str, Any]) -> Quarantined:
    return Quarantined(
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        source_topic=record["source_topic"],
        source_partition=record["source_partition"],
        source_offset=record["source_offset"],
        source_timestamp_ms=record["source_timestamp"],
        program=record["program"],
        reason=record["reason"],
        key=record["key"],
        value=record["value"],
        headers=tuple((header["name"], header["value"]) for header in record["headers"]),
    )
