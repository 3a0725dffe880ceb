"""Where a delivery goes, how it is signed, and how long it may take: a subscription made ready for sending."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from consumers.delivery.client import BLOCKED
from tocsin import sealing
from tocsin.deliveries import Delivery
from tocsin.destinations import Policy, parse_url
from tocsin.errors import DestinationNotAllowed, NoSecret, SecretInvalid, UrlInvalid
from tocsin.kafka.standing import StandingSubscriptions
from tocsin.secrets import Keyring
from tocsin.subscriptions import EFFECTIVE_MARGIN_S, Subscription, live_secrets
from tocsin.wire.disclosure import HIDDEN, shown_url
from tocsin.wire.rendering import inject_secret
from tocsin.wire.signing import SigningKey, sign, signing_key
from tocsin.wire.systems import Systems, WireFormat

AHEAD_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a delivery may not be sent: a dead letter's reason, and the words for it."""

    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One version of a subscription, ready for sending.

    Attributes:
        subscription: Opened.
        url: Normal form, as it is sent to.
        shown_url: The same for records and people, without its path where that is a secret.
        schedule: Retry tiers.
        timeout_s: From DNS to the answer's headers.
    """

    subscription: Subscription = field(repr=False)
    url: str
    shown_url: str
    schedule: tuple[str, ...]
    timeout_s: float
    wire: WireFormat
    keys: tuple[SigningKey, ...] = field(repr=False)

    @property
    def generation(self) -> int:
        return self.subscription.generation

    def body(self, delivery: Delivery) -> bytes:
        """Return the bytes to send: those rendered, and a secret in them where the format wants one there."""
        return inject_secret(delivery.body, self.wire, self.keys[0].text if self.keys else "")

    def request_headers(self, delivery: Delivery, body: bytes, timestamp: int) -> Sequence[tuple[str, str]]:
        """Return the headers of one attempt: what was rendered, the owner's own, and the signature made now.

        Args:
            delivery: What is sent.
            body: Exactly the bytes that are sent.
            timestamp: Of this attempt, seconds since the epoch.

        Raises:
            NoSecret: There is no key to sign with; nothing may leave.
        """
        signature = sign(
            self.wire.signature,
            self.keys,
            message_id=delivery.delivery_id,
            timestamp=timestamp,
            body=body,
        )
        return [
            ("content-type", delivery.content_type),
            *delivery.headers,
            *self.subscription.headers.items(),
            *signature,
        ]

    def shown_headers(self, headers: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Return an attempt's headers for records and people: what the owner added may be a token."""
        return {name: HIDDEN if name in self.subscription.headers else value for name, value in headers}


class Endpoints:
    """Finds the endpoint of a delivery in the subscriptions table.

    Args:
        table: All subscriptions, as they stand.
        systems: The contracts.
        keyring: Opens signing secrets.
        policy: Where a POST may go.
        topic: Name of the subscriptions topic; sealed secrets are bound to it.
    """

    def __init__(
        self, table: StandingSubscriptions, systems: Systems, keyring: Keyring, policy: Policy, topic: str
    ) -> None:
        self._table = table
        self._systems = systems
        self._keyring = keyring
        self._policy = policy
        self._topic = topic
        self._ready: dict[str, tuple[int, int | None, Endpoint | Refused]] = {}
        self._ahead: dict[
            str, float
        ] = {}  # deliveries that name an offset to come, and when that was first seen

    def find(self, delivery: Delivery, now_ms: int, *, test: bool = False) -> Endpoint | Refused | None:
        """Return the endpoint, why there is none, or None while that is not certain yet.

        A delivery carries the offset of the subscription version it was matched with: a table that has not read
        so far can't say that a subscription is gone or disabled. A test is sent to a disabled endpoint too.
        """
        subscription = self._table.get(delivery.subscription_id)
        if subscription is None:
            self._ready.pop(delivery.subscription_id, None)
            return Refused("gone", "the subscription was deleted") if self._certain(delivery) else None
        if subscription.organization != delivery.organization:
            return Refused("gone", "the subscription belongs to another organization")
        if not subscription.active and not test:
            reason = subscription.inactive_reason or "the subscription is disabled"
            return Refused("disabled", reason) if self._certain(delivery) else None
        return self._current(subscription, now_ms)

    def _certain(self, delivery: Delivery) -> bool:
        """Return whether the table says all there is to say about a delivery's subscription.

        One that was read to its end after the delivery came, and has not met the offset that this names, never will:
        the record was not written by a router.
        """
        age_s, now_s = self._table.age_s(), time.monotonic()
        if self._table.position > delivery.subscription_offset:
            self._ahead.pop(delivery.delivery_id, None)
            return age_s <= EFFECTIVE_MARGIN_S
        if len(self._ahead) > AHEAD_MAX:
            self._ahead.clear()
        return now_s - age_s > self._ahead.setdefault(delivery.delivery_id, now_s)

    def _current(self, subscription: Subscription, now_ms: int) -> Endpoint | Refused:
        known = self._ready.get(subscription.id)
        if known is not None and known[0] == subscription.offset and (known[1] is None or now_ms < known[1]):
            return known[2]
        expiries = [
            secret.expires_at
            for secret in live_secrets(subscription, now_ms)
            if secret.expires_at is not None
        ]
        made = self._make(subscription, now_ms)
        if len(self._ready) > len(self._table):
            # Opened secrets of what was deleted, and is delivered to no more.
            self._ready = {id: ready for id, ready in self._ready.items() if self._table.get(id) is not None}
        self._ready[subscription.id] = (subscription.offset, min(expiries, default=None), made)
        return made

    def _make(self, subscription: Subscription, now_ms: int) -> Endpoint | Refused:
        try:
            system = self._systems[subscription.system]
            wire = self._systems.wire_format(subscription.system, subscription.format)
        except KeyError as error:
            return Refused("undecodable", f"no system or format {error}")
        try:
            subscription = sealing.opened(subscription, self._keyring, self._topic)
            destination = parse_url(subscription.url, self._policy, https_only=system.https_only)
            keys = self._keys(subscription, wire, now_ms)
            if not keys and wire.has_secret:
                raise NoSecret("the subscription has no signing secret that is still valid")
        except (UrlInvalid, DestinationNotAllowed):
            # The tenant reads this: it hears that it is refused, never what lies there.
            return Refused("blocked_destination", BLOCKED)
        except (NoSecret, SecretInvalid) as error:
            return Refused("no_secret", str(error))
        return Endpoint(
            subscription,
            destination.url,
            shown_url(destination.url, wire),
            system.retries,
            system.timeout_s,
            wire,
            keys,
        )

    def _keys(self, subscription: Subscription, wire: WireFormat, now_ms: int) -> tuple[SigningKey, ...]:
        return tuple(
            signing_key(
                wire.signature,
                self._keyring.open(
                    secret,
                    topic=self._topic,
                    organization=subscription.organization,
                    subscription=subscription.id,
                ),
            )
            for secret in live_secrets(subscription, now_ms)
        )
