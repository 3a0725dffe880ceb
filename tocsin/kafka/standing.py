"""Subscriptions as they stand: what the control API wrote, with what the ledger found about their endpoints applied.

Two tables, because each has one writer. Whoever changes subscriptions must not start from these: the finding would be
written back as the owner's wish.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from confluent_kafka import Message

from tocsin import health, soundness, subscriptions
from tocsin.health import Health
from tocsin.kafka import pipeline
from tocsin.kafka.reader import headers_of
from tocsin.kafka.registry import Registry
from tocsin.kafka.tables import Table
from tocsin.kafka.topics import Topics
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription

OnPoison = Callable[[Message, str], None]


class StandingSubscriptions:
    """The subscriptions table with the health table applied; asked and started like one of them.

    Args:
        settings: Where Kafka is.
        on_change: Called after a subscription or its health has changed, with how it stands now; None for a removed
            one. One call at a time, and the last one tells the truth.
        on_poison: As `Table`'s.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        registry: Registry,
        *,
        on_change: Callable[[str, Subscription | None], None] | None = None,
        on_poison: OnPoison | None = None,
    ) -> None:
        self._on_change = on_change
        self._changing = threading.Lock()
        self._written = written_table(
            settings, topics, registry, self._subscription_changed, on_poison=on_poison
        )
        self._health = health_table(settings, topics, registry, self._health_changed, on_poison)

    @property
    def position(self) -> int:
        """The offset up to which the subscriptions topic has been read."""
        return self._written.position

    def age_s(self) -> float:
        """Return how long ago both tables were certainly complete; infinite before they were loaded."""
        return max(self._written.age_s(), self._health.age_s())

    def get(self, subscription_id: str) -> Subscription | None:
        """Return a subscription as it stands, or None."""
        subscription = self._written.get(subscription_id)
        return None if subscription is None else self._standing(subscription)

    def rows(self) -> list[Subscription]:
        """Return all subscriptions as they stand at this moment."""
        return [self._standing(subscription) for subscription in self._written.rows()]

    def disabled(self) -> list[tuple[Subscription, Health]]:
        """Return the subscriptions that their health alone disables, as they were written."""
        found = ((self._written.get(each.subscription_id), each) for each in self._health.rows())
        return [
            (subscription, each)
            for subscription, each in found
            if subscription is not None and subscription.active and health.disables(each, subscription)
        ]

    def __len__(self) -> int:
        return len(self._written)

    def start(self, timeout_s: float = 10.0) -> None:
        """Start reading, and return once both tables are loaded to their ends; raises as `Table.start`."""
        # Health first: there is little of it, and so nearly every subscription is told of once.
        self._health.start(timeout_s)
        self._written.start(timeout_s)

    def wait_for(self, offset: int, timeout_s: float = 10.0) -> bool:
        """Wait until the subscription record at `offset` has been read; return whether it was."""
        return self._written.wait_for(offset, timeout_s)

    def stop(self) -> None:
        """Stop reading."""
        self._written.stop()
        self._health.stop()

    def _standing(self, subscription: Subscription) -> Subscription:
        return health.standing(subscription, self._health.get(subscription.id))

    def _subscription_changed(self, subscription_id: str, _: Subscription | None) -> None:
        self._tell(subscription_id)

    def _health_changed(self, subscription_id: str, _: Health | None) -> None:
        if self._written.get(subscription_id) is not None:
            self._tell(subscription_id)

    def _tell(self, subscription_id: str) -> None:
        """Tell how a subscription stands; both are looked up inside of the lock, so the last call has seen both."""
        if self._on_change is not None:
            with self._changing:
                self._on_change(subscription_id, self.get(subscription_id))


def health_table(
    settings: Settings,
    topics: Topics,
    registry: Registry,
    on_change: Callable[[str, Health | None], None] | None = None,
    on_poison: OnPoison | None = None,
) -> Table[Health]:
    """Return the table of `tocsin.health`, by subscription; few are in it."""
    decode = pipeline.decoder(registry, "endpoint_health")

    def row(message: Message) -> Health:
        record = decode(message.value(), headers_of(message)).record
        return soundness.sound_health(
            health.from_record(record), (message.key() or b"").decode("utf-8", "replace")
        )

    return Table(
        settings,
        topics.health,
        row,
        on_change=on_change,
        on_poison=on_poison,
        supersedes=health.supersedes,
    )


def written_table(
    settings: Settings,
    topics: Topics,
    registry: Registry,
    on_change: Callable[[str, Subscription | None], None],
    *,
    on_poison: OnPoison | None = None,
    on_overtaken: Callable[[str, int], None] | None = None,
) -> Table[Subscription]:
    """Return the table of `tocsin.subscriptions` as they were written, by id; the callbacks are `Table`'s."""
    decode = pipeline.decoder(registry, "subscription")

    def row(message: Message) -> Subscription:
        record = decode(message.value(), headers_of(message)).record
        known = subscriptions.from_record(record, message.offset() or 0)
        return soundness.sound(known, (message.key() or b"").decode("utf-8", "replace"))

    return Table(
        settings,
        topics.subscriptions,
        row,
        on_change=on_change,
        on_poison=on_poison,
        supersedes=subscriptions.supersedes,
        on_overtaken=on_overtaken,
    )
