"""The pipeline's own records: which schema stands on which topic, under which compatibility rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from tocsin.kafka.codec import Decoder, Encoder
from tocsin.kafka.registry import BACKWARD, FULL, Registry
from tocsin.kafka.topics import Topics
from tocsin.wire.contracts import contracts_root

RecordName = Literal[
    "delivery",
    "attempt",
    "subscription",
    "endpoint_health",
    "api_key",
    "replay_request",
    "job_control",
    "replay_progress",
    "audit_entry",
    "quarantined",
]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a record stands: the attribute of `Topics` that names its topic, and its compatibility rule."""

    topic: str
    compatibility: str


RECORDS: Final[Mapping[RecordName, Placed]] = {
    "delivery": Placed("deliveries", BACKWARD),
    "attempt": Placed("attempts", BACKWARD),
    "subscription": Placed("subscriptions", FULL),
    "endpoint_health": Placed("health", FULL),
    "api_key": Placed("keys", FULL),
    "replay_request": Placed("jobs", BACKWARD),
    "job_control": Placed("jobs", BACKWARD),
    "replay_progress": Placed("jobs", BACKWARD),
    "audit_entry": Placed("audit", BACKWARD),
    "quarantined": Placed("quarantine", BACKWARD),
}


@cache
def schema(name: RecordName) -> Mapping[str, Any]:
    """Return the Avro schema of a pipeline record."""
    parsed: Mapping[str, Any] = json.loads((contracts_root() / "pipeline" / f"{name}.avsc").read_text())
    return parsed


def encoder(registry: Registry, topics: Topics, name: RecordName) -> Encoder:
    """Register a pipeline record's schema and return its encoder; raises as `Registry.register`."""
    placed = RECORDS[name]
    return Encoder(registry, getattr(topics, placed.topic), schema(name), placed.compatibility)


def decoder(registry: Registry, name: RecordName) -> Decoder:
    """Return a decoder that reads every version of a pipeline record into today's."""
    return Decoder(registry, schema(name))
