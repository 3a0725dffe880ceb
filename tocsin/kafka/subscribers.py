"""A subscription as it stands at this moment, for whoever looks one up and keeps no table."""

from __future__ import annotations

from tocsin.kafka.registry import Registry
from tocsin.kafka.standing import StandingSubscriptions
from tocsin.kafka.topics import Topics
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription


def find(settings: Settings, registry: Registry, subscription_id: str) -> Subscription | None:
    """Return a subscription with what is known of its endpoint's health, or None.

    Raises:
        KafkaUnavailable, RegistryUnavailable: The subscriptions cannot be read now.
    """
    standing = StandingSubscriptions(settings, Topics(settings.topic_prefix), registry)
    try:
        standing.start()
        return standing.get(subscription_id)
    finally:
        standing.stop()
