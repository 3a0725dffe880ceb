"""Composition of the delivery consumer: settings → adapters → the event loop and the reader's thread."""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
import threading
from typing import Final

import uvloop

from consumers.delivery.client import DeliveryClient
from consumers.delivery.endpoints import Endpoints
from consumers.delivery.lanes import Lanes
from consumers.delivery.outbox import Outbox
from consumers.delivery.program import Delivering
from consumers.delivery.transport import tls_context
from consumers.delivery.warmup import Warmup
from consumers.delivery.work import Work
from tocsin import lifecycle, secrets
from tocsin.destinations import policy_of
from tocsin.kafka import pipeline
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Limits, Reader
from tocsin.kafka.registry import Registry
from tocsin.kafka.standing import StandingSubscriptions
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop
from tocsin.settings import Settings
from tocsin.telemetry import metrics
from tocsin.telemetry.program import Telemetry
from tocsin.wire.systems import load_systems

IN_FLIGHT_MAX = 3_072
HELD_MAX = 16_000
"""Deliveries held in memory, over all partitions: some 5 KiB each."""
RESERVED_FILES = 128
"""File descriptors left for Kafka, logs, DNS, and connections that idle."""

DECISION_SHARE: Final = 0.4
"""Of the session: how long a decision waits to be written. Begun under a lease, it is written before anybody else may
own the partition, or not at all."""
DECISION_LINGER_MS = 20.0
"""Nobody waits for a decision's acknowledgement but the offset, and the client makes a request for each partition: at a thousand
a second a batch of one record each would be most of them."""

_log = logging.getLogger("tocsin.delivery")


def main(settings: Settings, stop: Stop, telemetry: Telemetry) -> None:
    """Run the delivery consumer until asked to stop."""
    uvloop.run(_run(settings, stop, telemetry))


async def _run(settings: Settings, stop: Stop, telemetry: Telemetry) -> None:
    topics = Topics(settings.topic_prefix)
    registry = Registry(settings, timeout_s=settings.session_s / 5, patiently=stop.patiently)
    policy = policy_of(settings)
    if settings.allow_cidrs:
        _log.warning("ATTENTION: policy is opened for %s", ", ".join(settings.allow_cidrs))
    table = StandingSubscriptions(settings, topics, registry)
    await asyncio.to_thread(stop.patiently, table.start)
    keyring = secrets.load_keyring(settings)
    keyring.require(table.rows())
    total = in_flight_max(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    writer = Writer(
        settings,
        linger_ms=DECISION_LINGER_MS,
        timeout_s=DECISION_SHARE * settings.session_s,
        own_thread=False,
    )
    warmup = Warmup(settings, topics.attempts)
    client = DeliveryClient(policy, tls=tls_context(settings.ca_file), limit=total)
    quarantine = Quarantine(writer, registry, topics, "delivery")
    delivering = Delivering(
        endpoints=Endpoints(table, load_systems(), keyring, policy, topics.subscriptions),
        client=client,
        outbox=Outbox(
            writer, topics, pipeline.encoder(registry, topics, "attempt"), asyncio.get_running_loop()
        ),
        quarantine=quarantine,
        lanes=Lanes[Work](total),
        decoder=pipeline.decoder(registry, "delivery"),
        warmup=warmup,
        live_topic=topics.deliveries,
        telemetry=telemetry,
        stopping=stop.asked.is_set,
    )
    reader = Reader(
        settings,
        topics.group("delivery"),
        [topics.deliveries, topics.redeliveries],
        delivering,
        Limits(total_records=HELD_MAX),
        stopping=stop.asked.is_set,
    )
    telemetry.watch_writes(writer)
    telemetry.meter.observe(metrics.QUARANTINED, quarantine.taken.read)
    delivering.watch(reader, table.age_s)
    closing = threading.Event()
    owner = threading.Thread(
        target=_own, args=(reader, delivering, writer, closing), name="reader", daemon=True
    )
    owner.start()
    lifecycle.ready()
    try:
        await delivering.run(stop)
    finally:
        closing.set()
        await asyncio.to_thread(owner.join, 10.0)
        await client.aclose()
        await asyncio.to_thread(writer.close)
        warmup.stop()
        table.stop()


def _own(reader: Reader, delivering: Delivering, writer: Writer, closing: threading.Event) -> None:
    """Poll until the loop has ended its work; what is read after the stop began stays uncommitted."""
    try:
        while not closing.is_set():
            delivering.deliver(reader.poll(0.1))
            writer.check()
        reader.close()
    except BaseException as error:
        delivering.failed = error
        raise


def in_flight_max(files: int) -> int:
    """Return how many POSTs may be in flight at once, given how many files the process may open."""
    return max(1, min(IN_FLIGHT_MAX, files - RESERVED_FILES))


if __name__ == "__main__":
    sys.exit(lifecycle.run("delivery", main))
