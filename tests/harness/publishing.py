"""Subscriptions and events as they are written without an API."""

from __future__ import annotations

from typing import Any

from tests.harness.installation import Installation
from tocsin import subscriptions
from tocsin.kafka import pipeline
from tocsin.kafka.writer import Outgoing
from tocsin.publisher import Acknowledged, Publisher
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

SYSTEM, TYPE = "governlayer", "drift.alert"
KNOWN = load_systems()[SYSTEM].event_types


def subscription(name: str, *event_types: str, **fields: Any) -> Subscription:
    """Return a subscription of organization `acme`."""
    values: dict[str, Any] = {
        "organization": "acme",
        "system": SYSTEM,
        "url": "https://example.com/",
        "created_at": 0,
        "updated_at": 0,
        "effective_at": 0,
    }
    return Subscription(id=name, event_types=event_types or ("*",), **(values | fields))


def subscribe(own: Installation, *made: Subscription) -> list[int]:
    """Write subscriptions and return their offsets."""
    encode = pipeline.encoder(own.registry, own.topics, "subscription")
    records = [
        Outgoing(own.topics.subscriptions, each.id.encode(), encode(subscriptions.to_record(each)))
        for each in made
    ]
    return [written.offset for written in own.write(*records)]


def publish(
    own: Installation, event_type: str = TYPE, count: int = 1, **attributes: Any
) -> list[Acknowledged]:
    """Publish the documented example of an event type, and return once all are acknowledged."""
    with Publisher(SYSTEM, source="/tests", settings=own.settings) as publisher:
        attributes = {"organization": "acme"} | attributes
        sent = [publisher.send(event_type, KNOWN[event_type].example, **attributes) for _ in range(count)]
        return [future.result() for future in sent]
