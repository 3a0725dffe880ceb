"""What the API tells the audit: a change once it is acknowledged, before its caller hears that it is done."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from control.acknowledgement import acknowledged
from tocsin import audit, audited
from tocsin.audit import Entry
from tocsin.http.admission import Caller
from tocsin.kafka.trail import Trail as Records
from tocsin.kafka.writer import Writer
from tocsin.keys import ApiKey
from tocsin.quarantined import REDRIVEN, Quarantined
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import WireFormat


class Trail:
    """Writes audit entries to Kafka."""

    def __init__(self, writer: Writer, records: Records) -> None:
        self._writer = writer
        self._records = records

    def tell(self, entry: Entry) -> None:
        """Write an entry and return once it is acknowledged.

        Raises:
            NotAcknowledged: No acknowledgement in time; what it tells of has happened all the same.
        """
        acknowledged(self._writer, self._records.record(entry))


def webhook(
    caller: Caller,
    action: str,
    before: Subscription | None,
    after: Subscription | None,
    *,
    wire: WireFormat,
    now_ms: int,
) -> Entry:
    """Return the entry about a webhook.

    Args:
        action: `created`, `changed`, `secret_rotated` or `deleted`.
        before: As it was; None for a new one.
        after: As it is; None for a deleted one.
    """
    known = after or before
    was, is_now = audited.subscription(before, wire), audited.subscription(after, wire)
    return _entry(caller, f"subscription.{action}", known.id if known else "", was, is_now, now_ms)


def key(caller: Caller, action: str, before: ApiKey | None, after: ApiKey, now_ms: int) -> Entry:
    """Return the entry about an API key; `action` is `created` or `revoked`."""
    was, is_now = audited.key(before), audited.key(after)
    return _entry(caller, f"key.{action}", after.id, was, is_now, now_ms)


def resend(caller: Caller, delivery_id: str, run: str, now_ms: int) -> Entry:
    """Return the entry about a delivery that is sent once more."""
    return _entry(caller, "delivery.resent", delivery_id, {}, {"run": run}, now_ms)


def redrive(caller: Caller, record: Quarantined, why: str, now_ms: int) -> Entry:
    """Return the entry about a quarantined record that is sent back to where it was found."""
    told = _entry(caller, REDRIVEN, record.id, {}, {"source": record.source}, now_ms)
    return replace(told, organization=record.organization, why=why)


def rewrapped(caller: Caller, organization: str, key_id: str, webhooks: int, now_ms: int) -> Entry:
    """Return the entry about an organization's webhooks that are sealed with another key from now on."""
    told = _entry(caller, "keyring.rewrapped", key_id, {}, {"webhooks": webhooks}, now_ms)
    return replace(told, organization=organization)


def _entry(
    caller: Caller, action: str, name: str, was: Mapping[str, Any], is_now: Mapping[str, Any], now_ms: int
) -> Entry:
    before, after = audit.changes(was, is_now)
    return Entry(
        id=uuid.uuid4(),
        at=now_ms,
        actor=f"key:{caller.key_id}",
        action=action,
        object=name,
        organization=caller.organization,
        before=before,
        after=after,
    )
