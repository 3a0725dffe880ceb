"""Dead letters: deliveries whose retries are spent or that were refused for good, with the reason.

All that is listed and selected by stands in a dead letter's headers; its value is the delivery's own, unchanged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message

from tocsin.deliveries import Progress, first_value, read_progress
from tocsin.errors import Undecodable
from tocsin.kafka import snapshot
from tocsin.kafka.codec import Headers
from tocsin.kafka.reader import headers_of
from tocsin.kafka.topics import Topics
from tocsin.settings import Settings

_log = logging.getLogger("tocsin.deadletters")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the dead-letter topic.

    Attributes:
        partition: Partition of the dead-letter topic it lies in.
        offset: Its offset there.
        timestamp_ms: When the broker took it, milliseconds since the epoch.
        delivery_id: Constant over tries and replays; the same one may be dead-lettered more than once.
        subscription_id: Whom it was for.
        organization: The tenant; empty if the event's headers do not say.
        event_type: The event's type; likewise.
        event_id: The event's id; likewise.
        system: Whose event it is; likewise.
        reason: One of `deliveries.REASONS`.
        fault: `subscriber` or `tocsin`; None if it was nobody's.
        progress: Where the delivery stood: run, attempts made, last status and error.
        source: `topic/partition/offset` of the record that was decided about, or None.
        value: The delivery, as the router wrote it.
        headers: All headers of the record.
    """

    partition: int
    offset: int
    timestamp_ms: int
    delivery_id: str
    subscription_id: str
    organization: str
    event_type: str
    event_id: str
    reason: str
    fault: str | None
    progress: Progress
    source: str | None
    value: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    system: str = ""

    @property
    def status(self) -> int | None:
        """HTTP status of the last attempt, or None when there was no answer."""
        return self.progress.last_status

    @property
    def error(self) -> str | None:
        """What the last attempt failed with, or None."""
        return self.progress.last_error

    @property
    def attempts(self) -> int:
        """POSTs made in the run that ended here."""
        return self.progress.attempt


def read_dead_letter(message: Message) -> DeadLetter:
    """Read a dead letter from its record.

    Raises:
        Undecodable: It says not which delivery it is, for whom, or how far it had come.
    """
    headers = headers_of(message)
    key, value = message.key(), message.value()
    delivery_id = first_value(headers, "tocsin_delivery_id")
    if not delivery_id or not key or not value:
        raise Undecodable("a dead letter without delivery id, key or value")
    try:
        subscription_id = key.decode()
    except UnicodeDecodeError as error:
        raise Undecodable("a dead letter's key is not UTF-8") from error
    return DeadLetter(
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        delivery_id=delivery_id,
        subscription_id=subscription_id,
        organization=first_value(headers, "ce_organization") or "",
        event_type=first_value(headers, "ce_type") or "",
        event_id=first_value(headers, "ce_id") or "",
        reason=first_value(headers, "tocsin_reason") or "unknown",
        fault=first_value(headers, "tocsin_fault") or None,
        progress=read_progress(headers),
        source=first_value(headers, "tocsin_source"),
        value=value,
        headers=headers,
        system=first_value(headers, "tocsin_system") or "",
    )


def end_offsets(settings: Settings) -> dict[int, int]:
    """Return the end offset of every partition of the dead-letter topic; raises as `scan`."""
    return snapshot.ends(settings, Topics(settings.topic_prefix).dlq)


def scan(
    settings: Settings,
    *,
    end_offsets: Mapping[int, int] | None = None,
    start_offsets: Mapping[int, int] | None = None,
    **options: Any,
) -> Iterator[DeadLetter]:
    """Yield the dead letters, each partition's oldest first, up to a snapshot of the end offsets.

    Args:
        settings: Where Kafka is.
        end_offsets: Partition to the offset where it ends; taken now, when None.
        start_offsets: Partition to the first offset wanted; the first there is, for one not named.
        options: As `snapshot.read`.

    Raises:
        KafkaUnavailable: No answer, or no such topic.
    """
    topic = Topics(settings.topic_prefix).dlq
    ends = end_offsets if end_offsets is not None else snapshot.ends(settings, topic)
    for message in snapshot.read(settings, topic, ends, start=start_offsets, **options):
        try:
            yield read_dead_letter(message)
        except Undecodable as error:
            _log.error(
                "%s %s offset %s is passed over: %s", topic, message.partition(), message.offset(), error
            )
