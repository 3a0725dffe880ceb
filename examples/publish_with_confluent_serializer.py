"""Publish an event without Tocsin's library, as a service in any language does: with Confluent's Avro serializer.

pip install "confluent-kafka[avro,schemaregistry]"
python examples/publish_with_confluent_serializer.py acme
"""

from __future__ import annotations

import os
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

KAFKA = os.environ.get("TOCSIN_KAFKA", "127.0.0.1:19092")
REGISTRY = os.environ.get("TOCSIN_REGISTRY", "http://127.0.0.1:18081/apis/ccompat/v7")
TOPIC = os.environ.get("TOCSIN_TOPIC_PREFIX", "tocsin") + ".events.governlayer"
# Your service has a copy of it, or what its build makes of it. The record's name says which event this is.
SCHEMA = Path(__file__).parents[1] / "schemas" / "governlayer" / "drift_alert.avsc"

ALERT = {
    "system_name": "customer-support-agent",
    "drift_score": 0.87,
    "decision": "ESCALATE",
    "ledger_hash": "sha256:a1b2c3d4e5f6",
}


def main(organization: str) -> None:
    """Publish one event, and return once the broker has acknowledged it."""
    with SchemaRegistryClient({"url": REGISTRY}) as registry:
        serialize = AvroSerializer(
            registry,
            SCHEMA.read_text(),
            conf={
                "subject.name.strategy": topic_record_subject_name_strategy,
                "auto.register.schemas": False,
                "use.latest.version": True,
                "validate.strict": True,
            },
        )
        value = serialize(ALERT, SerializationContext(TOPIC, MessageField.VALUE))
    headers: list[tuple[str, str | bytes | None]] = [
        ("ce_specversion", "1.0"),
        ("ce_id", f"check-{uuid.uuid4()}"),  # the same again when the same event is published again
        ("ce_source", "/drift-monitor"),
        ("ce_type", "drift.alert"),
        ("ce_time", datetime.now(UTC).isoformat()),
        ("ce_organization", organization),
        ("content-type", "application/avro"),
    ]
    producer = Producer(
        {
            "bootstrap.servers": KAFKA,
            "acks": "all",
            "enable.idempotence": True,
            "delivery.timeout.ms": 10_000,
            "partitioner": "murmur2_random",
        }
    )
    producer.produce(TOPIC, value=value, key=organization, headers=headers, on_delivery=report)
    producer.flush()


def report(error: KafkaError | None, message: Message) -> None:
    """Say what became of the event."""
    if error is not None:
        sys.exit(f"not published: {error.str()}")
    print(f"published: {message.topic()}, partition {message.partition()}, offset {message.offset()}")


if __name__ == "__main__":
    main(sys.argv[1])
