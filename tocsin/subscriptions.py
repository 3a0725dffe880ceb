"""Subscriptions: who wants which events where. Values only; the control API writes them, all others read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

EFFECTIVE_MARGIN_S: Final = 1.0
"""A change counts from this long after its acknowledgement; no router works with an older table than this."""


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A sealed signing secret; `tocsin.secrets` opens it. Times are milliseconds since the epoch."""

    id: str
    key_id: str
    nonce: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    created_at: int
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """One version of a subscription; the fields are those of `schemas/pipeline/subscription.avsc`.

    Attributes:
        filters: What `tocsin.filters` reads, as JSON text; None lets every event through.
        url: Where it goes; as it is shown, when `sealed_url` holds it.
        headers: The owner's own request headers that are not sealed, from before they were.
        offset: Where this version lies in the subscriptions topic; -1 before it is written.
    """

    id: str
    organization: str
    system: str
    url: str
    event_types: tuple[str, ...]
    created_at: int
    updated_at: int
    effective_at: int
    format: str | None = None
    scope: Mapping[str, str] = field(default_factory=dict)
    filters: str | None = None
    active: bool = True
    inactive_reason: str | None = None
    description: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    sealed_headers: Mapping[str, StoredSecret] = field(default_factory=dict)
    sealed_url: StoredSecret | None = None
    secrets: tuple[StoredSecret, ...] = ()
    generation: int = 1
    version: int = 1
    confirmed: bool = False
    offset: int = -1


def to_record(subscription: Subscription) -> dict[str, Any]:
    """Return the Avro record of a subscription."""
    record = _fields(subscription)
    record.pop("offset")
    record["event_types"] = list(subscription.event_types)
    record["secrets"] = [_fields(secret) for secret in subscription.secrets]
    record["sealed_headers"] = {name: _fields(each) for name, each in subscription.sealed_headers.items()}
    record["sealed_url"] = _fields(subscription.sealed_url) if subscription.sealed_url else None
    return record


def from_record(record: Mapping[str, Any], offset: int) -> Subscription:
    """Return the subscription that an Avro record holds."""
    known = {name: record[name] for name in Subscription.__slots__ if name in record}
    known["event_types"] = tuple(record["event_types"])
    known["secrets"] = tuple(StoredSecret(**secret) for secret in record["secrets"])
    sealed_headers, sealed_url = record.get("sealed_headers", {}), record.get("sealed_url")
    known["sealed_headers"] = {name: StoredSecret(**each) for name, each in sealed_headers.items()}
    known["sealed_url"] = StoredSecret(**sealed_url) if sealed_url else None
    return Subscription(**known, offset=offset)


def supersedes(new: Subscription, known: Subscription) -> bool:
    """Return whether a record takes the place of the version that stood before it in the log.

    Kafka has no compare-and-set: of two writers of version N+1 the first in the log wins, with every reader. Because
    compaction may leave the second alone, the winner is then written again as confirmed, and takes anybody's place.
    Written once more for a later `effective_at`, a version takes its own place.
    """
    if new.version != known.version or new.confirmed:
        return new.version >= known.version
    own = replace(new, effective_at=known.effective_at, offset=known.offset, confirmed=known.confirmed)
    return own == known


def live_secrets(subscription: Subscription, now_ms: int) -> tuple[StoredSecret, ...]:
    """Return the secrets that still sign at `now_ms`, current first."""
    return tuple(
        secret for secret in subscription.secrets if secret.expires_at is None or now_ms < secret.expires_at
    )


def all_sealed(subscription: Subscription) -> Iterator[StoredSecret]:
    """Yield all that is sealed in a subscription."""
    yield from subscription.secrets
    yield from subscription.sealed_headers.values()
    if subscription.sealed_url is not None:
        yield subscription.sealed_url


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}
