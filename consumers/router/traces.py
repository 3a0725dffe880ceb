"""The span of one event at the router: from reading it to the acknowledgement of its last delivery."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tocsin import deliveries
from tocsin.kafka.reader import Record
from tocsin.telemetry import conventions
from tocsin.telemetry.tracing import PARENT, Span, Tracer, Value, find


def begin(tracer: Tracer, record: Record) -> Span | None:
    """Begin the span of an event; None if it is not sampled."""
    if tracer.dismisses(record.headers):
        return None
    return tracer.begin(
        f"{conventions.PROCESS} {record.topic}",
        "consumer",
        find(record.headers, PARENT),
        lambda: _attributes(record),
        random.random(),  # noqa: S311  # nobody gains by guessing it
    )


def _attributes(record: Record) -> Mapping[str, Value]:
    return {
        conventions.MESSAGING_SYSTEM: conventions.KAFKA,
        conventions.MESSAGING_OPERATION_NAME: conventions.PROCESS,
        conventions.MESSAGING_OPERATION_TYPE: conventions.PROCESS,
        conventions.MESSAGING_DESTINATION_NAME: record.topic,
        conventions.MESSAGING_DESTINATION_PARTITION_ID: str(record.partition),
        conventions.MESSAGING_KAFKA_OFFSET: record.offset,
        conventions.MESSAGING_MESSAGE_ID: deliveries.first_value(record.headers, "ce_id") or "",
        conventions.EVENT_TYPE: deliveries.first_value(record.headers, "ce_type") or "",
    }
