"""`python -m consumers.router`: matches events to subscriptions."""

from __future__ import annotations

import sys
import time
from typing import cast

from confluent_kafka import Message

from consumers.router.matching import Index
from consumers.router.outbox import Outbox
from consumers.router.program import LIMITS, Routing
from tocsin import lifecycle, subscriptions
from tocsin.kafka import pipeline
from tocsin.kafka.codec import Decoder, Headers
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Reader
from tocsin.kafka.registry import Registry
from tocsin.kafka.tables import Table
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems


def main(settings: Settings, stop: Stop) -> None:
    """Put the program together and run it until it is asked to stop."""
    topics, contracts = Topics(settings.topic_prefix), load_systems()
    registry = Registry(settings.registry, timeout_s=settings.session_s / 5)
    writer = Writer(settings)
    quarantine = Quarantine(writer, registry, topics, "router")
    index = Index({name: system.event_types for name, system in contracts.items()})
    table = _subscriptions(settings, topics, registry, index, quarantine)
    table.start()
    routing = Routing(
        systems={topics.events(name): system for name, system in contracts.items()},
        contracts=contracts,
        index=index,
        table=table,
        decoder=Decoder(registry),
        writer=writer,
        outbox=Outbox(writer, quarantine, topics.deliveries, pipeline.encoder(registry, topics, "delivery")),
    )
    reader = routing.reader = Reader(
        settings, topics.group("router"), [topics.events(name) for name in contracts], routing, LIMITS
    )
    lifecycle.ready()
    try:
        routing.run(stop)
        writer.flush(stop.deadline - time.monotonic())
    finally:
        reader.close()
        writer.close()
        table.stop()


def _subscriptions(
    settings: Settings, topics: Topics, registry: Registry, index: Index, quarantine: Quarantine
) -> Table[Subscription]:
    decode = pipeline.decoder(registry, "subscription")

    def row(message: Message) -> Subscription:
        record = decode(message.value(), cast(Headers, message.headers() or [])).record
        return subscriptions.from_record(record, message.offset() or 0)

    def poison(message: Message, reason: str) -> None:
        quarantine.put(
            topic=message.topic() or topics.subscriptions,
            partition=message.partition() or 0,
            offset=message.offset() or 0,
            timestamp_ms=message.timestamp()[1],
            key=message.key(),
            value=message.value(),
            headers=cast(Headers, message.headers() or []),
            reason=reason,
            done=lambda: None,
        )

    return Table(
        settings,
        topics.subscriptions,
        row,
        on_change=index.update,
        on_poison=poison,
        supersedes=subscriptions.supersedes,
    )


if __name__ == "__main__":
    sys.exit(lifecycle.run("router", main))
