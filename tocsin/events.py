"""Events: what a publisher says happened, and how it stands in Kafka headers (CloudEvents binary mode)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tocsin.errors import EventInvalid, Undecodable
from tocsin.telemetry.tracing import PREVIOUS, ROUTER

SPEC_VERSION: Final = "1.0"
ATTRIBUTE_MAX_BYTES: Final = 1_024
"""Bound on one attribute's value: it travels as a header through every hop and into HTTP headers."""

DATA_MAX_BYTES: Final = 262_144
"""Bound on an event's encoded data: what it becomes on its way must fit a Kafka record."""

EXTENSIONS_MAX: Final = 56
"""Bound on their number: with the attributes that every event may have they are the headers of a request."""

ATTRIBUTES: Final = frozenset({"specversion", "id", "source", "type", "time", "subject", "organization"})
"""What every event may have; an extension's name is none of these."""

_ENVELOPE = frozenset({"data", "data_base64", "datacontenttype", "dataschema"})
_KNOWN = ATTRIBUTES | _ENVELOPE
_EXTENSION_NAME = re.compile(r"[a-z0-9]{1,20}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TRACE_HEADERS = ("traceparent", "tracestate", ROUTER, PREVIOUS)


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent's attributes; its data travels beside it.

    Attributes:
        id: Unique within `source`; with `type` it makes the delivery id, so the same id is delivered once.
        source: URI reference of who says so.
        type: Event type of a system, such as `drift.alert`.
        time: When it happened, UTC.
        organization: The tenant whose subscriptions are asked.
        subject: What it happened to, or None.
        extensions: Other CloudEvents attributes, lower-case names.
    """

    id: str
    source: str
    type: str
    time: datetime
    organization: str
    subject: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)


def check(event: Event) -> None:
    """Refuse attributes that could not travel.

    Raises:
        EventInvalid: Naming the attribute.
    """
    for name in ("id", "source", "type", "organization"):
        _check_text(name, getattr(event, name))
    if event.subject is not None:
        _check_text("subject", event.subject)
    if len(event.extensions) > EXTENSIONS_MAX:
        raise EventInvalid("extensions", f"are over {EXTENSIONS_MAX}")
    for name, value in event.extensions.items():
        if not _EXTENSION_NAME.match(name) or name in _KNOWN:
            raise EventInvalid(
                name, "an extension's name has 1 to 20 lower-case letters and digits and is not reserved"
            )
        _check_text(name, value)
    if event.time.tzinfo is None:
        raise EventInvalid("time", "needs a time zone")
    try:
        event.time.astimezone(UTC)
    except OverflowError:
        raise EventInvalid("time", "is outside of the years 1 to 9999 in UTC") from None


def is_attribute(name: str) -> bool:
    """Return whether an event may have an attribute of this name: one of ours, or an extension's."""
    return name in ATTRIBUTES or (name not in _ENVELOPE and _EXTENSION_NAME.match(name) is not None)


def attribute(event: Event, name: str) -> str | None:
    """Return an attribute as text; None for one that the event does not have."""
    if name == "time":
        return rfc3339(event.time)
    if name == "specversion":
        return SPEC_VERSION
    if name in ATTRIBUTES:
        value: str | None = getattr(event, name)
        return value
    return event.extensions.get(name)


def to_headers(event: Event) -> list[tuple[str, bytes]]:
    """Return an event's attributes as Kafka headers."""
    headers = [
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_time", rfc3339(event.time).encode()),
        ("ce_organization", event.organization.encode()),
        ("content-type", b"application/avro"),
    ]
    if event.subject is not None:
        headers.append(("ce_subject", event.subject.encode()))
    headers += [(f"ce_{name}", value.encode()) for name, value in sorted(event.extensions.items())]
    return headers


def from_headers(
    headers: Iterable[tuple[str, bytes | None]], *, topic: str, partition: int, offset: int, timestamp_ms: int
) -> Event:
    """Read an event's attributes from a record.

    An absent `ce_id` becomes one made of where the record lies, never a random one: read again, it is the same.

    Raises:
        Undecodable: A required attribute is missing or cannot travel, whatever the headers hold.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if name.startswith("ce_") and value is not None:
            try:
                found[name[3:]] = value.decode()
            except UnicodeDecodeError as error:
                raise Undecodable(f"header {name} is not UTF-8") from error
    for name in ("type", "organization"):
        if not found.get(name):
            raise Undecodable(f"header ce_{name} is missing")
    event = Event(
        id=found.get("id") or own_id(topic, partition, offset),
        source=found.get("source") or f"/{topic}",
        type=found["type"],
        time=_time(found.get("time"), timestamp_ms),
        organization=found["organization"],
        subject=found.get("subject"),
        extensions={name: value for name, value in found.items() if name not in _KNOWN},
    )
    try:
        check(event)
    except EventInvalid as error:
        raise Undecodable(f"attribute {error}") from error
    return event


def own_id(topic: str, partition: int, offset: int) -> str:
    """Return the id of an event without one: where it was written first."""
    return f"{topic}-{partition}-{offset}"


def record_key(event: Event) -> bytes:
    """Return the key of an event's record: events with one key stay in order."""
    return event.extensions.get("partitionkey", event.organization).encode()


def carried(headers: Sequence[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """Return the headers that stay untouched through every hop: the event's own and its traces'."""
    return [pair for pair in headers if pair[0].startswith("ce_") or pair[0] in _TRACE_HEADERS]


def rfc3339(moment: datetime) -> str:
    """Format a moment as RFC 3339 in UTC, with a fraction only where it has one."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(text: str | None, timestamp_ms: int) -> datetime:
    # Near the ends of the calendar the way to UTC leads out of it, and a record's own time may be any number.
    try:
        if text is None:
            return datetime.fromtimestamp(timestamp_ms / 1000, UTC)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise Undecodable("header ce_time has no time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        what = "header ce_time" if text is not None else "header ce_time is missing, and the record's time"
        raise Undecodable(f"{what} is not RFC 3339 in the years 1 to 9999") from error


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise EventInvalid(name, f"must be text, not {type(value).__name__}")
    if not value:
        raise EventInvalid(name, "must not be empty")
    if _CONTROL.search(value):
        raise EventInvalid(name, "must not hold control characters")
    if len(value.encode()) > ATTRIBUTE_MAX_BYTES:
        raise EventInvalid(name, f"is longer than {ATTRIBUTE_MAX_BYTES} bytes")
