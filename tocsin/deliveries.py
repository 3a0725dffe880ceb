"""Deliveries: one event for one subscription, the identity of its tries, and what is decided about them.

A delivery's value never changes on its way; what changes from hop to hop is its `Progress`, in headers.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeVar

import orjson

from tocsin.errors import Undecodable
from tocsin.kafka.codec import Headers
from tocsin.wire import carried_headers

T = TypeVar("T")

Verdict = Literal["delivered", "retry", "dead_letter", "parked", "interrupted"]
VERDICTS: Final = frozenset({"delivered", "retry", "dead_letter", "parked", "interrupted"})

REASONS: Final[Mapping[str, str]] = {
    "exhausted": "every attempt of the schedule failed",
    "gone": "the endpoint answered 410, or the subscription was deleted",
    "disabled": "the subscription was disabled",
    "blocked_destination": "policy refuses where this would go",
    "no_secret": "the subscription has no usable signing secret",
    "overloaded": "it was parked for 24 hours: its endpoint takes less than it is sent, or hardly any could be reached",
    "undecodable": "the subscription names a system or format that this installation does not have",
}
"""Why a delivery is dead-lettered: the `tocsin_reason` of a dead letter."""

LIVE_RUN: Final = "0"
"""The run of a delivery that no job has set going again."""

ERROR_MAX_CHARS: Final = 500
_COUNT_MAX: Final = 1_000_000
_WAIT_MAX_S: Final = 86_400
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_NAMESPACE = uuid.UUID("2f3c1a52-6f0b-5d7e-9a3d-8f1f0c6f1c11")


def delivery_id(source: str, event_type: str, event_id: str, subscription_id: str) -> uuid.UUID:
    """Return the id of the delivery of one event to one subscription: the same over tries and replays."""
    name = orjson.dumps([source, event_type, event_id, subscription_id]).decode()
    return uuid.uuid5(_NAMESPACE, name)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is delivered, as in `schemas/pipeline/delivery.avsc`. `event_time` is milliseconds since the epoch."""

    delivery_id: str
    organization: str
    subscription_id: str
    subscription_offset: int
    system: str
    format: str | None
    event_id: str
    event_source: str
    event_type: str
    event_time: int
    content_type: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a delivery stands; it travels in `tocsin_*` headers.

    Attributes:
        run: `0`, or the job that set it going again.
        step: Hops through delay topics in this run, parking included.
        attempt: POSTs made in this run; it alone drives the schedule.
        parked: Times it was parked in a row without a POST.
        parked_at_ms: When it was first parked since its last POST, or 0.
        remaining_s: Seconds still to wait after the tier it is in.
        last_status: HTTP status of the last attempt, or None.
        last_error: What the last attempt failed with, or None.
        test: Whether it is a test that its owner asked for: a disabled endpoint gets it too.
    """

    run: str = LIVE_RUN
    step: int = 0
    attempt: int = 0
    parked: int = 0
    parked_at_ms: int = 0
    remaining_s: int = 0
    last_status: int | None = None
    last_error: str | None = None
    test: bool = False

    def hop(self, **changes: Any) -> Progress:
        """Return the progress after one more hop."""
        return replace(self, step=self.step + 1, **changes)


def identity(delivery: str, progress: Progress) -> str:
    """Return the identity of one try: whoever meets it a second time drops it."""
    return f"{delivery}:{progress.run}:{progress.step}"


def to_record(delivery: Delivery) -> dict[str, Any]:
    """Return the Avro record of a delivery."""
    record = {name: getattr(delivery, name) for name in Delivery.__slots__}
    record["headers"] = [{"name": name, "value": value} for name, value in delivery.headers]
    return record


def from_record(record: Mapping[str, Any]) -> Delivery:
    """Return the delivery that an Avro record holds.

    Raises:
        Undecodable: Its id is not a UUID: it is signed and compared, so nothing else may stand there. Or it has a
            header that may not be sent.
    """
    if not _UUID.match(record["delivery_id"]):
        raise Undecodable("the delivery id is not a UUID")
    known = {name: record[name] for name in Delivery.__slots__}
    known["headers"] = tuple([(header["name"], header["value"]) for header in record["headers"]])
    unfit = carried_headers.fault([("content-type", record["content_type"]), *known["headers"]])
    if unfit is not None:
        raise Undecodable(unfit)
    return Delivery(**known)


def progress_headers(progress: Progress) -> list[tuple[str, bytes]]:
    """Return the headers of a progress; what is at its default is left out."""
    values: list[tuple[str, str | None]] = [
        ("tocsin_run", progress.run),
        ("tocsin_step", str(progress.step)),
        ("tocsin_attempt", str(progress.attempt)),
        ("tocsin_parked", str(progress.parked) if progress.parked else None),
        ("tocsin_parked_at", str(progress.parked_at_ms) if progress.parked_at_ms else None),
        ("tocsin_remaining_s", str(progress.remaining_s) if progress.remaining_s else None),
        ("tocsin_last_status", str(progress.last_status) if progress.last_status is not None else None),
        ("tocsin_last_error", progress.last_error[:ERROR_MAX_CHARS] if progress.last_error else None),
        ("tocsin_test", "1" if progress.test else None),
    ]
    return [(name, value.encode("utf-8", "replace")) for name, value in values if value is not None]


_PROGRESS_NAMES: Final = frozenset(
    name for name, _ in progress_headers(Progress("r", 1, 1, 1, 1, 1, 1, "e", test=True))
)


def read_progress(headers: Headers | None) -> Progress:
    """Read a progress from a record's headers; they are not trusted, so numbers are clipped.

    Raises:
        Undecodable: A header that decides about identity or schedule is not what it should be.
    """
    return _progress(tuple([pair for pair in headers or () if pair[0] in _PROGRESS_NAMES]))


@lru_cache(maxsize=16)
def _progress(headers: tuple[tuple[str, bytes | None], ...]) -> Progress:
    # What is tried for the first time says the same in every record.
    found = {name: value for name, value in headers if value is not None}
    return Progress(
        run=_text(found, "tocsin_run", 64) or LIVE_RUN,
        step=_number(found, "tocsin_step", _COUNT_MAX) or 0,
        attempt=_number(found, "tocsin_attempt", _COUNT_MAX) or 0,
        parked=_number(found, "tocsin_parked", _COUNT_MAX) or 0,
        parked_at_ms=_number(found, "tocsin_parked_at", 1 << 62) or 0,
        remaining_s=_number(found, "tocsin_remaining_s", _WAIT_MAX_S) or 0,
        last_status=_number(found, "tocsin_last_status", 999),
        last_error=_text(found, "tocsin_last_error", ERROR_MAX_CHARS),
        test=found.get("tocsin_test") == b"1",
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one try: enough to repeat its effect, never its POST.

    Attributes:
        verdict: What follows: nothing (`delivered`), a tier (`retry`, `parked`, `interrupted`) or a dead letter.
        tier: The delay tier it goes to, when it goes to one.
        progress: The delivery's progress after this decision; None when nothing follows.
        reason: One of `REASONS`, for a dead letter; what a parked or interrupted one waits for.
        fault: `subscriber` or `tocsin`, for a failure.
    """

    verdict: Verdict
    tier: str | None = None
    progress: Progress | None = None
    reason: str | None = None
    fault: str | None = None


class Source(NamedTuple):
    """Where the record that was decided about lies."""

    topic: str
    partition: int
    offset: int


_NO_HEADERS: Final[Mapping[str, str]] = {}


class Attempt(NamedTuple):
    """A decision with all that is told of it, as in `schemas/pipeline/attempt.avsc`.

    Times are milliseconds since the epoch, `duration_ms` is milliseconds.
    """

    delivery: Delivery
    progress: Progress
    decision: Decision
    source: Source
    started_at: int
    duration_ms: float = 0.0
    posted: bool = False
    url: str | None = None
    status: int | None = None
    error: str | None = None
    generation: int = 0
    request_headers: Mapping[str, str] = _NO_HEADERS
    response_headers: Mapping[str, str] = _NO_HEADERS
    response_body: bytes | None = None


def attempt_record(attempt: Attempt) -> dict[str, Any]:
    """Return the Avro record of an attempt."""
    delivery, progress, decision, source = (
        attempt.delivery,
        attempt.progress,
        attempt.decision,
        attempt.source,
    )
    return {
        "delivery_id": delivery.delivery_id,
        "run": progress.run,
        "step": progress.step,
        "attempt": progress.attempt + attempt.posted,
        "organization": delivery.organization,
        "subscription_id": delivery.subscription_id,
        "subscription_generation": attempt.generation,
        "system": delivery.system,
        "event_id": delivery.event_id,
        "event_source": delivery.event_source,
        "event_type": delivery.event_type,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "fault": decision.fault,
        "started_at": attempt.started_at,
        "duration_ms": attempt.duration_ms,
        "posted": attempt.posted,
        "test": progress.test,
        "url": attempt.url,
        "status": attempt.status,
        "error": attempt.error,
        "request_headers": attempt.request_headers,
        "response_headers": attempt.response_headers,
        "response_body": attempt.response_body,
        "next_tier": decision.tier,
        "remaining_s": decision.progress.remaining_s if decision.progress else 0,
        "source_topic": source.topic,
        "source_partition": source.partition,
        "source_offset": source.offset,
    }


def decision_headers(identity_: str, source: Source, decision: Decision) -> list[tuple[str, bytes]]:
    """Return the headers of an attempt record: all that a new owner of the partition needs to know of it."""
    return [
        ("tocsin_identity", identity_.encode()),
        ("tocsin_source", f"{source.topic}/{source.partition}/{source.offset}".encode()),
        ("tocsin_decision", pack_decision(decision)),
    ]


@lru_cache(maxsize=1_024)
def pack_decision(decision: Decision) -> bytes:
    """Return a decision as bytes for a header; most are alike."""
    # A copy: what orjson returns keeps its 4 KiB buffer for as long as it lives, and decisions are remembered.
    return bytes(memoryview(orjson.dumps(decision)))


def unpack_decision(packed: bytes) -> Decision:
    """Return the decision that `pack_decision` packed; what a newer version says besides is passed over.

    Raises:
        Undecodable: The bytes are not one.
    """
    try:
        fields = orjson.loads(packed)
        progress = fields["progress"]
        fields["progress"] = _of(Progress, progress) if progress is not None else None
        decision = _of(Decision, fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Undecodable(f"not a decision: {error}") from error
    if decision.verdict not in VERDICTS:
        raise Undecodable("not a decision: unknown verdict")
    return decision


def _of(kind: type[T], found: Mapping[str, Any]) -> T:
    names: Iterable[str] = kind.__slots__  # type: ignore[attr-defined]
    return kind(**{name: value for name, value in {**found}.items() if name in names})


def read_decision(headers: Headers | None) -> tuple[str, Source, bytes]:
    """Read identity, source and packed decision from an attempt record's headers.

    Raises:
        Undecodable: One is missing or malformed.
    """
    found = {name: value for name, value in headers or () if value is not None}
    try:
        topic, partition, offset = found["tocsin_source"].decode().rsplit("/", 2)
        source = Source(topic, int(partition), int(offset))
        return found["tocsin_identity"].decode(), source, found["tocsin_decision"]
    except (KeyError, ValueError) as error:
        raise Undecodable(f"an attempt without identity: {error}") from error


def first_value(headers: Iterable[tuple[str, bytes | None]], name: str) -> str | None:
    """Return the first value of a header as text, or None; bytes that are not UTF-8 are replaced."""
    return next(
        (data.decode("utf-8", "replace") for key, data in headers if key == name and data is not None), None
    )


def _number(found: Mapping[str, bytes], name: str, most: int) -> int | None:
    raw = found.get(name)
    if raw is None:
        return None
    if not raw.isdigit() or len(raw) > 19:
        raise Undecodable(f"header {name} is not a number")
    return min(int(raw), most)


def _text(found: Mapping[str, bytes], name: str, most: int) -> str | None:
    raw = found.get(name)
    if raw is None:
        return None
    try:
        return raw.decode()[:most]
    except UnicodeDecodeError as error:
        raise Undecodable(f"header {name} is not UTF-8") from error
