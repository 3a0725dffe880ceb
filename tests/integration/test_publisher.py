"""Publishing to a real Kafka and registry: acknowledged, readable by others, refused or reported otherwise."""

from __future__ import annotations

import asyncio
import struct
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from tests.harness.installation import Installation, free_port, header
from tocsin import Publisher
from tocsin.errors import EventInvalid, NotAcknowledged

GOOD: dict[str, Any] = {
    "system_name": "bot",
    "drift_score": 0.87,
    "decision": "ESCALATE",
    "ledger_hash": "sha256:a1",
}


def published(own: Installation, event_id: str) -> Any:
    """Return the record of an event on the events topic."""
    topic = own.topics.events("governlayer")
    (message,) = own.wait_for(topic, lambda message: header(message, "ce_id") == event_id)
    return message


def test_acknowledged_event_stands_on_its_topic_as_a_cloudevent(bare: Installation) -> None:
    moment = datetime(2026, 4, 25, 14, 30, tzinfo=UTC)
    with Publisher("governlayer", source="/drift-monitor", settings=bare.settings) as publisher:
        stored = publisher.publish(
            "drift.alert",
            GOOD,
            organization="acme",
            id="e-1",
            time=moment,
            subject="bot",
            extensions={"environment": "test"},
        )
    message = published(bare, "e-1")
    assert (stored.topic, stored.partition, stored.offset) == (
        message.topic(),
        message.partition(),
        message.offset(),
    )
    assert message.key() == b"acme"
    assert {name: value.decode() for name, value in message.headers() if name.startswith("ce_")} == {
        "ce_specversion": "1.0",
        "ce_id": "e-1",
        "ce_source": "/drift-monitor",
        "ce_type": "drift.alert",
        "ce_time": "2026-04-25T14:30:00Z",
        "ce_organization": "acme",
        "ce_subject": "bot",
        "ce_environment": "test",
    }


def test_stock_confluent_deserializer_reads_what_is_published(bare: Installation) -> None:
    with Publisher("governlayer", source="/test", settings=bare.settings) as publisher:
        publisher.publish("drift.alert", GOOD, organization="acme", id="e-2")
    message = published(bare, "e-2")
    assert struct.unpack_from(">b", message.value()) == (0,)
    context = SerializationContext(message.topic(), MessageField.VALUE)
    with SchemaRegistryClient({"url": bare.settings.registry}) as client:
        assert AvroDeserializer(client)(message.value(), context) == GOOD


def test_event_joins_the_trace_of_whoever_publishes(bare: Installation) -> None:
    span = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1)))
    with Publisher("governlayer", source="/test", settings=bare.settings) as publisher, use_span(span):
        publisher.publish("drift.alert", GOOD, organization="acme", id="e-3")
    traceparent = header(published(bare, "e-3"), "traceparent")
    assert traceparent is not None
    assert traceparent.startswith(f"00-{0xABC:032x}-")


def test_coroutines_publish_side_by_side(bare: Installation) -> None:
    async def many() -> list[Any]:
        async with Publisher("governlayer", source="/test", settings=bare.settings) as publisher:
            return await asyncio.gather(
                *(
                    publisher.publish_async("drift.alert", GOOD, organization="acme", id=f"a-{n}")
                    for n in range(50)
                )
            )

    stored = asyncio.run(many())
    assert {each.event_id for each in stored} == {f"a-{n}" for n in range(50)}
    assert len({(each.partition, each.offset) for each in stored}) == 50


def test_oversize_event_is_refused_and_nothing_is_sent(bare: Installation) -> None:
    with Publisher("governlayer", source="/test", settings=bare.settings) as publisher:
        with pytest.raises(EventInvalid, match="at most 262144"):
            publisher.publish(
                "drift.alert", {**GOOD, "system_name": "x" * 300_000}, organization="acme", id="big"
            )
        publisher.publish("drift.alert", GOOD, organization="acme", id="small")
    published(bare, "small")
    topic = bare.topics.events("governlayer")
    assert "big" not in {header(message, "ce_id") for message in bare.read(topic)}


def test_kafka_that_does_not_answer_is_reported_in_time(bare: Installation) -> None:
    nowhere = bare.settings.model_copy(update={"kafka": f"127.0.0.1:{free_port()}"})
    publisher = Publisher("governlayer", source="/test", settings=nowhere, timeout_s=1.0)
    began = time.monotonic()
    with pytest.raises(NotAcknowledged, match="event lost-1"):
        publisher.publish("drift.alert", GOOD, organization="acme", id="lost-1")
    assert time.monotonic() - began < 10
    publisher.close()
