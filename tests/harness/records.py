"""Records as the programs write them, and what is read of them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

from confluent_kafka import Message

from tests.harness.installation import Installation, header
from tests.harness.publishing import SYSTEM, TYPE
from tocsin import deliveries
from tocsin.deliveries import Attempt, Decision, Delivery, Progress, Source, progress_headers
from tocsin.kafka import pipeline
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Record
from tocsin.kafka.writer import Outgoing, Writer


def letter(
    own: Installation, delivery_id: str, subscription: str = "s", reason: str = "exhausted"
) -> Outgoing:
    """Return a dead letter, as the delivery program writes it."""
    return Outgoing(
        own.topics.dlq,
        subscription.encode(),
        b"the value of " + delivery_id.encode(),
        [
            ("ce_id", b"e-" + delivery_id.encode()),
            ("traceparent", b"00-11-22-01"),
            ("tocsin_delivery_id", delivery_id.encode()),
            *progress_headers(Progress(step=6, attempt=5, last_status=500, last_error="HTTP 500")),
            ("tocsin_reason", reason.encode()),
            ("tocsin_source", b"somewhere/0/0"),
            ("__connect.errors.topic", b"somewhere"),
        ],
    )


def replayed(own: Installation, subscription: str | None = None) -> list[Message]:
    """Return what was replayed, of one subscription or of all."""
    found = own.read(own.topics.redeliveries)
    return [message for message in found if subscription is None or message.key() == subscription.encode()]


def deliveries_of(messages: Sequence[Message]) -> Counter[str]:
    """Return how often each delivery stands among records."""
    return Counter(header(message, "tocsin_delivery_id") or "" for message in messages)


def waiting(own: Installation, tier: str, name: str, progress: Progress) -> Outgoing:
    """Return a record that waits in a tier, as the delivery program writes it."""
    return Outgoing(
        own.topics.delay(tier),
        b"sub-" + name.encode(),
        b"the value of " + name.encode(),
        [
            ("ce_id", name.encode()),
            ("traceparent", b"00-11-22-01"),
            ("tocsin_delivery_id", name.encode()),
            *progress_headers(progress),
        ],
    )


def set_aside(own: Installation, value: bytes) -> None:
    """Set a record aside, as the router does."""
    writer, done = Writer(own.settings), threading.Event()
    try:
        Quarantine(writer, own.registry, own.topics, "router").put(
            Record(
                topic=own.topics.events("governlayer"),
                partition=0,
                offset=7,
                epoch=0,
                key=b"acme",
                value=value,
                headers=[("ce_type", b"drift.alert"), ("ce_organization", b"acme")],
                timestamp_ms=1_795_255_200_000,
            ),
            "unknown magic byte 0x07",
            done.set,
        )
        assert done.wait(10.0)
    finally:
        writer.close()


def delivery(number: int, subscription: str) -> Delivery:
    """Return a delivery that differs from others by its number."""
    event_id = f"e-{number}"
    return Delivery(
        delivery_id=str(deliveries.delivery_id("/test", TYPE, event_id, subscription)),
        organization="acme",
        subscription_id=subscription,
        subscription_offset=0,
        system=SYSTEM,
        format=None,
        event_id=event_id,
        event_source="/test",
        event_type=TYPE,
        event_time=int(time.time() * 1000),
        content_type="application/json",
        headers=(("User-Agent", "Test/1.0"),),
        body=b'{"event":"drift.alert","number":%d}' % number,
    )


def write_history(
    made: Installation,
    subscription: str,
    count: int,
    *,
    reason: str = "exhausted",
    first_in: int = -1,
) -> list[Delivery]:
    """Write deliveries that failed once, were tried again, and died: two attempts and a dead letter each.

    Args:
        first_in: Partition of the first attempts; their key's own when -1.
    """
    topics = made.topics
    encode = pipeline.encoder(made.registry, topics, "delivery")
    encode_attempt = pipeline.encoder(made.registry, topics, "attempt")
    made_up = [delivery(number, subscription) for number in range(count)]
    key, records = subscription.encode(), list[Outgoing]()
    for each in made_up:
        first = Progress()
        second = first.hop(attempt=1, last_status=503, last_error="503 Service Unavailable")
        dead = second.hop(attempt=2, last_status=500, last_error="500 Internal Server Error")
        decisions = [
            Decision("retry", "5s", second),
            Decision("dead_letter", None, dead, reason, "subscriber"),
        ]
        for progress, decision in zip((first, second), decisions, strict=True):
            source = Source(topics.deliveries, 0, 0)
            attempt = Attempt(each, progress, decision, source, each.event_time, 12.5, True, "http://h/", 503)
            headers = deliveries.decision_headers(
                deliveries.identity(each.delivery_id, progress), source, decision
            )
            record = encode_attempt(deliveries.attempt_record(attempt))
            where = first_in if progress is first else -1
            records.append(Outgoing(topics.attempts, key, record, headers, partition=where))
        headers = [
            ("ce_type", TYPE.encode()),
            ("ce_id", each.event_id.encode()),
            ("ce_organization", b"acme"),
            ("tocsin_delivery_id", each.delivery_id.encode()),
            ("tocsin_reason", reason.encode()),
            ("tocsin_fault", b"subscriber"),
            *deliveries.progress_headers(dead),
        ]
        records.append(Outgoing(topics.dlq, key, encode(deliveries.to_record(each)), headers))
    made.write(*records)
    return made_up
