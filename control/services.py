"""What requests need, put together once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from control.auth import Gate
from control.directory import Directory
from control.models import Requests
from control.rate import Limiter
from tocsin.deliveries import Delivery
from tocsin.destinations import Policy
from tocsin.events import Event
from tocsin.secrets import Keyring
from tocsin.subscriptions import StoredSecret, Subscription
from tocsin.wire.systems import Systems

FRESH_S: Final = 5.0
"""A node whose tables are older than this says that it is not ready."""


class Store(Protocol):
    """Where subscriptions are written; `control.store` has the one on Kafka, and says what it raises."""

    def put(self, subscription: Subscription) -> Subscription: ...

    def remove(self, subscription: Subscription) -> None: ...


class Outbox(Protocol):
    """Where tests are sent from; `control.outbox` has the one on Kafka."""

    def test(self, event: Event, delivery: Delivery) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What requests need.

    Attributes:
        topic: Name of the subscriptions topic; sealed secrets are bound to it.
        age_s: How old this node's knowledge is.
        clock_ms: The time of day, milliseconds since the epoch.
    """

    gate: Gate
    limiter: Limiter
    directory: Directory
    store: Store
    outbox: Outbox
    systems: Systems
    policy: Policy
    keyring: Keyring
    topic: str
    age_s: Callable[[], float]
    clock_ms: Callable[[], int]
    requests: Requests = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "requests", Requests(self.systems))

    def seal(self, secret: str, organization: str, subscription: str, now_ms: int) -> StoredSecret:
        """Seal a new signing secret of a subscription."""
        return self.keyring.seal(
            secret,
            topic=self.topic,
            organization=organization,
            subscription=subscription,
            secret_id=f"sec_{os.urandom(8).hex()}",
            now_ms=now_ms,
        )
