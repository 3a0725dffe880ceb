"""JSON Schema (2020-12) of what receivers get, from Avro schemas and templates. Pure.

It says what `payload` makes of a record: an optional field that was not given is absent, unless the field says
`"renderNull": true`; every other field is always there.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tocsin.wire.event_types import EventType
from tocsin.wire.facts import DeliveryFacts, EventFacts
from tocsin.wire.formats import WireFormat

Schema = dict[str, Any]

_SCALARS: Final[Mapping[str, Schema]] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer", "minimum": -(1 << 31), "maximum": (1 << 31) - 1},
    "long": {"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "string": {"type": "string"},
}

_MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_EVENT_ID: Final = "01961f2e-5c3a-7b1d-8e4f-000000000001"


def of_record(avro: Mapping[str, Any]) -> Schema:
    """Return the schema of the JSON object that receivers get for a record of an Avro schema.

    Args:
        avro: Of types that `payload.compile_payload` accepts. Where a record holds itself, anything is let through.
    """
    return _of(avro, {})


def example_body(system: str, wire: WireFormat, known: EventType) -> Schema:
    """Return the JSON body of an event type's example in a wire format."""
    payload = wire.payloads[known.name](known.example)
    body: Schema = wire.body.get(_facts(system, known), payload, _DELIVERY)
    return body


def of_body(system: str, wire: WireFormat, known: EventType) -> Schema:
    """Return the schema of the JSON body that carries an event type in a system's own wire format."""
    payload = wire.payloads[known.name](known.example)
    body = wire.body.get(_facts(system, known), payload, _DELIVERY)
    if not wire.flat_keys:
        return _of_value(body, payload, known)
    envelope = _of_value({name: body[name] for name in body if name in wire.flat_keys}, payload, known)
    data = of_record(known.schema)
    return _object(envelope["properties"] | data["properties"], [*envelope["required"], *data["required"]])


_DELIVERY: Final = DeliveryFacts(uuid.UUID("5f0c6e1a-2b3d-5c4e-9f10-213243546576"), "wh_example")


def _facts(system: str, known: EventType) -> EventFacts:
    return EventFacts(_EVENT_ID, "/example", known.name, _MOMENT, "acme", None, system)


def _of_value(value: Any, payload: Mapping[str, Any], known: EventType) -> Schema:
    """Return the schema of a piece of an envelope, by what a template made of an example."""
    if value is payload:
        return of_record(known.schema)
    if isinstance(value, Mapping):
        return _object({name: _of_value(each, payload, known) for name, each in value.items()}, list(value))
    if value == known.name:
        return {"type": "string", "const": known.name}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, str):
        return {"type": "string"}
    return {"type": "number"} if isinstance(value, int | float) else {}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required}


def _of(avro: Any, named: dict[str, Schema]) -> Schema:
    if isinstance(avro, list):
        return _of_union(avro, named)
    kind = avro["type"] if isinstance(avro, Mapping) else avro
    if isinstance(kind, Mapping | list):
        return _of(kind, named)
    if kind == "record":
        return _of_fields(avro, named)
    if kind == "enum":
        return named.setdefault(avro["name"], {"type": "string", "enum": list(avro["symbols"])})
    if kind == "array":
        return {"type": "array", "items": _of(avro["items"], named)}
    if kind == "map":
        return {"type": "object", "additionalProperties": _of(avro["values"], named)}
    scalar = _SCALARS.get(kind)
    return dict(scalar) if scalar is not None else named[kind.rpartition(".")[2]]


def _of_fields(avro: Mapping[str, Any], named: dict[str, Schema]) -> Schema:
    named[avro["name"]] = {}
    properties: Schema = {}
    required: list[str] = []
    for field in avro["fields"]:
        name, kind, described = field["name"], field["type"], {"description": field.get("doc")}
        absent = isinstance(kind, list) and "null" in kind and not field.get("renderNull")
        if absent:
            kind = [each for each in kind if each != "null"]
        else:
            required.append(name)
        properties[name] = _of(kind, named) | {key: text for key, text in described.items() if text}
    named[avro["name"]] = made = _object(properties, required)
    return made


def _of_union(branches: list[Any], named: dict[str, Schema]) -> Schema:
    made = [_of(branch, named) for branch in branches]
    return made[0] if len(made) == 1 else {"anyOf": made}
