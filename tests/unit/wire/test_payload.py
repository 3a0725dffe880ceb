"""From Avro's record to JSON's object."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tocsin.errors import RenderError
from tocsin.wire.payload import ShapeInvalid, compile_payload

OPTIONAL = ["null", "string"]


def _schema(**fields: Any) -> dict[str, Any]:
    made = []
    for name, type in fields.items():
        made.append(
            {"name": name, **type}
            if isinstance(type, dict) and "renderNull" in type
            else {"name": name, "type": type}
        )
    return {"type": "record", "name": "Sample", "fields": made}


def _inner(name: str, type: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": "x", "type": type}]}


CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("absent is left out", _schema(a=OPTIONAL, b="int"), {"a": None, "b": 1}, {"b": 1}),
    ("null that is meant stays", _schema(a={"type": OPTIONAL, "renderNull": True}), {"a": None}, {"a": None}),
    ("inside a record", _schema(r=_inner("R", OPTIONAL)), {"r": {"x": None}}, {"r": {}}),
    ("inside an optional record", _schema(r=["null", _inner("R", OPTIONAL)]), {"r": {"x": None}}, {"r": {}}),
    ("inside a list", _schema(l={"type": "array", "items": _inner("R", OPTIONAL)}), {"l": [{"x": None}]}, {"l": [{}]}),
    ("a map keeps its nulls", _schema(m={"type": "map", "values": ["null", "double"]}), {"m": {"k": None, "j": 1.5}}, {"m": {"k": None, "j": 1.5}}),
    ("a list keeps its nulls", _schema(l={"type": "array", "items": ["null", "double"]}), {"l": [None, 1.0]}, {"l": [None, 1.0]}),
    ("a newer field passes", _schema(a="string"), {"a": "x", "later": {"y": None}}, {"a": "x", "later": {"y": None}}),
    ("type in a type", _schema(a={"type": {"type": "string"}}), {"a": "x"}, {"a": "x"}),
    ("wide union", _schema(m={"type": "map", "values": ["null", "long", "double", "string", {"type": "array", "items": "double"}]}), {"m": {"a": 1, "b": [1.5]}}, {"m": {"a": 1, "b": [1.5]}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "record", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_record_becomes_the_object_receivers_know(
    schema: dict[str, Any], record: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Absent is absent; what was given stays; order as the record has it."""
    made = compile_payload(schema)(record)
    assert made == expected
    assert list(made) == list(expected)


def test_recursive_record_is_shaped_all_the_way_down() -> None:
    """A type may name itself."""
    schema = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "x", "type": OPTIONAL}, {"name": "next", "type": ["null", "Node"]}],
    }
    assert compile_payload(schema)({"x": None, "next": {"x": "a", "next": {"x": None, "next": None}}}) == {
        "next": {"x": "a", "next": {}}
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("schema", "wrap"),
    [
        (_schema(a="double"), lambda value: {"a": value}),
        (_schema(a=["null", "float"]), lambda value: {"a": value}),
        (_schema(a={"type": "array", "items": "double"}), lambda value: {"a": [1.0, value]}),
        (_schema(a={"type": "map", "values": ["null", "long", "double"]}), lambda value: {"a": {"k": value}}),
        (_schema(a=_inner("R", "double")), lambda value: {"a": {"x": value}}),
    ],
    ids=["field", "optional", "list", "map of a union", "record"],
)
def test_number_that_json_lacks_is_refused(schema: dict[str, Any], wrap: Any, value: float) -> None:
    """JSON writers turn NaN into null: that would be a lie with a signature on it."""
    with pytest.raises(RenderError, match="no JSON number"):
        compile_payload(schema)(wrap(value))


@pytest.mark.parametrize(
    ("type", "reason"),
    [
        ("bytes", "'bytes' has no JSON form"),
        ({"type": "fixed", "name": "F", "size": 4}, "'fixed' has no JSON form"),
        (["null", _inner("A", "int"), _inner("B", "int")], "at most one branch"),
        (["null", {"type": "map", "values": "int"}, _inner("B", "int")], "at most one branch"),
        (["null", "int", "long"], "at most one branch"),
        (_inner("A", "bytes"), "'bytes' has no JSON form"),
    ],
)
def test_schema_that_can_not_become_json_is_refused_when_read(type: Any, reason: str) -> None:
    """Naming the field."""
    with pytest.raises(ShapeInvalid, match=reason) as raised:
        compile_payload(_schema(ok="string", bad=type))
    assert raised.value.field.startswith("fields.bad")
