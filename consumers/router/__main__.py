"""`python -m consumers.router`: matches events to subscriptions."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from confluent_kafka import Message

from consumers.router.outbox import Outbox
from consumers.router.program import LIMITS, Routing
from tocsin import lifecycle
from tocsin.kafka import pipeline
from tocsin.kafka.codec import Decoder
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Reader, record_of
from tocsin.kafka.registry import Registry
from tocsin.kafka.standing import StandingSubscriptions
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop
from tocsin.matching import Index
from tocsin.settings import Settings
from tocsin.telemetry import metrics
from tocsin.telemetry.program import Telemetry
from tocsin.wire.systems import load_systems


def main(settings: Settings, stop: Stop, telemetry: Telemetry) -> None:
    """Put the program together and run it until it is asked to stop."""
    topics, contracts = Topics(settings.topic_prefix), load_systems()
    registry = Registry(settings, timeout_s=settings.session_s / 5, patiently=stop.patiently)
    # One thread polls, writes and takes acknowledgements; so nothing that these lead to takes a lock.
    writer = Writer(settings, own_thread=False)
    quarantine = Quarantine(writer, registry, topics, "router")
    index = Index(
        {name: system.event_types for name, system in contracts.items()},
        {name for system in contracts.values() for name in system.notices},
    )
    table = StandingSubscriptions(
        settings, topics, registry, on_change=index.update, on_poison=_set_aside(quarantine)
    )
    stop.patiently(table.start)
    routing = Routing(
        systems={topics.events(name): system for name, system in contracts.items()},
        contracts=contracts,
        index=index,
        table=table,
        decoder=Decoder(registry),
        writer=writer,
        outbox=Outbox(writer, quarantine, topics.deliveries, pipeline.encoder(registry, topics, "delivery")),
        telemetry=telemetry,
    )
    reader = Reader(
        settings,
        topics.group("router"),
        [topics.events(name) for name in contracts],
        routing,
        LIMITS,
        stopping=stop.asked.is_set,
    )
    telemetry.watch_writes(writer)
    telemetry.meter.observe(metrics.QUARANTINED, quarantine.taken.read)
    routing.watch(reader)
    lifecycle.ready()
    try:
        routing.run(stop)
        writer.flush(stop.deadline - time.monotonic())
    finally:
        reader.close()
        writer.close()
        table.stop()


def _set_aside(quarantine: Quarantine) -> Callable[[Message, str], None]:
    def poison(message: Message, reason: str) -> None:
        quarantine.put(record_of(message), reason, lambda: None)

    return poison


if __name__ == "__main__":
    sys.exit(lifecycle.run("router", main))
