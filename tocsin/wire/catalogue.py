"""The catalogue: every event type as it is told to people and programs. Pure."""

from __future__ import annotations

from typing import Any

from tocsin.wire import json_schema
from tocsin.wire.systems import EventType, System


def entry(system: System, known: EventType) -> dict[str, Any]:
    """Return what is told of an event type: what it means, its data, and what a receiver gets."""
    return {
        "system": system.name,
        "type": known.name,
        "version": known.version,
        "description": known.description,
        "schema": json_schema.of_record(known.schema),
        "example": dict(known.example),
        "example_source": known.example_source,
        "body": json_schema.example_body(system.name, system.wire, known),
    }
