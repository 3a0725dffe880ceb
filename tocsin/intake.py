"""What an events topic holds: a record becomes an event with its data, or is poison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tocsin import events
from tocsin.errors import Undecodable
from tocsin.events import Event
from tocsin.kafka.codec import Decoder
from tocsin.kafka.reader import Record
from tocsin.wire.systems import System


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event as it stands on its topic, with the system whose topic that is."""

    event: Event
    data: Mapping[str, Any]
    system: System


def read(record: Record, system: System, decoder: Decoder) -> Arrived:
    """Read an event from a record of its system's topic.

    Raises:
        Undecodable: It is no event of this system; the message says why.
        RegistryUnavailable: Its schema cannot be looked up now.
    """
    event = events.from_headers(
        record.headers,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
    )
    known = system.event_type(event.type)
    if known is None:
        raise Undecodable(f"{event.type!r} is no event type of {system.name}")
    decoded = decoder(record.value, record.headers)
    if decoded.fullname != known.fullname:
        raise Undecodable(f"the value is a {decoded.fullname}, and a {event.type} is a {known.fullname}")
    return Arrived(event, decoded.record, system)
