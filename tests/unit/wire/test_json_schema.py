"""JSON Schemas of what receivers get: whatever is rendered fits them, and what lacks a field does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from tests.unit.wire.samples import DELIVERY, an_event
from tocsin.wire import catalogue, json_schema
from tocsin.wire.payload import compile_payload
from tocsin.wire.rendering import render
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()
EVERY = [(system.name, name) for system in SYSTEMS.values() for name in system.event_types]

_TYPES: dict[str, Any] = {
    "null": type(None),
    "boolean": bool,
    "string": str,
    "array": list,
    "object": dict,
    "number": (int, float),
    "integer": int,
}


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Return whether a value is valid, for the words of JSON Schema that are used here."""
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    kind = schema.get("type")
    if kind is not None and not isinstance(value, _TYPES[kind]):
        return False
    if isinstance(value, bool) and kind in ("number", "integer"):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get(
        "maximum", value
    ):
        return False
    if isinstance(value, list):
        return all(fits(each, schema.get("items", {})) for each in value)
    if isinstance(value, dict):
        known, more = schema.get("properties", {}), schema.get("additionalProperties", {})
        there = all(name in value for name in schema.get("required", ()))
        return there and all(fits(each, known.get(name, more)) for name, each in value.items())
    return True


AVRO: dict[str, Any] = {
    "type": "record",
    "name": "Everything",
    "fields": [
        {"name": "text", "type": "string", "doc": "Words."},
        {"name": "count", "type": "int"},
        {"name": "maybe", "type": ["null", "long"], "default": None},
        {"name": "shown", "type": ["null", "string"], "default": None, "renderNull": True},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "again", "type": ["null", "Kind"], "default": None},
        {"name": "list", "type": {"type": "array", "items": ["null", "double"]}},
        {"name": "map", "type": {"type": "map", "values": ["null", "boolean", "string"]}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {
            "name": "inner",
            "type": {
                "type": "record",
                "name": "Inner",
                "fields": [{"name": "self", "type": ["null", "Inner"]}],
            },
        },
    ],
}
FULL: dict[str, Any] = {
    "text": "a",
    "count": 1,
    "maybe": None,
    "shown": None,
    "kind": "A",
    "again": None,
    "list": [1.5, None],
    "map": {"a": None, "b": True, "c": "d"},
    "at": 1 << 40,
    "inner": {"self": {"self": None}},
}


def test_schema_says_what_becomes_of_a_record() -> None:
    schema = json_schema.of_record(AVRO)
    assert schema["required"] == ["text", "count", "shown", "kind", "list", "map", "at", "inner"]
    assert schema["properties"]["text"] == {"type": "string", "description": "Words."}
    assert schema["properties"]["maybe"]["type"] == "integer"
    assert schema["properties"]["again"] == {"type": "string", "enum": ["A", "B"]}
    assert schema["properties"]["shown"] == {"anyOf": [{"type": "null"}, {"type": "string"}]}


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({}, True),
        ({"maybe": 5, "shown": "x", "again": "B"}, True),
        ({"text": 1}, False),
        ({"count": 1 << 31}, False),
        ({"kind": "C"}, False),
        ({"map": {"a": 1}}, False),
        ({"count": 1.5}, False),
    ],
)
def test_schema_fits_what_receivers_get_and_nothing_else(changes: dict[str, Any], valid: bool) -> None:
    assert fits(compile_payload(AVRO)(FULL | changes), json_schema.of_record(AVRO)) is valid


@pytest.mark.parametrize(("system", "name"), EVERY)
def test_rendered_example_fits_and_lacks_no_field_unseen(system: str, name: str) -> None:
    wire, known = SYSTEMS[system].wire, SYSTEMS[system].event_types[name]
    body = orjson.loads(render(wire, an_event(system, name), known.example, DELIVERY).body)
    schema = json_schema.of_body(system, wire, known)
    assert fits(body, schema)
    for field in schema["required"]:
        assert not fits({key: value for key, value in body.items() if key != field}, schema)
    assert not fits(body | dict.fromkeys(_type_field(body, name), "another.type"), schema)


def _type_field(body: dict[str, Any], name: str) -> list[str]:
    fields = [key for key, value in body.items() if value == name]
    assert fields
    return fields


@pytest.mark.parametrize(("system", "name"), EVERY)
def test_catalogue_tells_of_every_event(system: str, name: str) -> None:
    known = SYSTEMS[system].event_types[name]
    entry = catalogue.entry(SYSTEMS[system], known)
    assert (entry["system"], entry["type"], entry["version"]) == (system, name, known.version)
    assert entry["description"]
    assert fits(compile_payload(known.schema)(entry["example"]), entry["schema"])
    assert fits(entry["body"], json_schema.of_body(system, SYSTEMS[system].wire, known))
    assert orjson.loads(orjson.dumps(entry)) == entry
