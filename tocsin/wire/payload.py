"""From a decoded Avro record to the JSON object a receiver gets, compiled once per schema.

Avro writes an optional field that was not given as null; receivers know it as absent, unless the field says
`"renderNull": true`. A map keeps its nulls: they were given. NaN and infinities, which Avro can hold and JSON
can't, are refused rather than turned into null.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from tocsin.errors import RenderError

Shape = Callable[[Any], Any]
Payload = Callable[[Mapping[str, Any]], dict[str, Any]]

_AS_THEY_ARE: Final = frozenset({"null", "boolean", "int", "long", "string", "enum"})


class ShapeInvalid(ValueError):
    """A schema can't become JSON.

    Args:
        field: Dotted path of the field at fault.
        reason: Why.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


def compile_payload(schema: Mapping[str, Any]) -> Payload:
    """Compile a record schema into the function that makes its JSON object.

    Fields that the schema does not know (a newer producer's) pass as they are.

    Raises:
        ShapeInvalid: A type has no JSON form, or a union leaves open which branch a value belongs to.
    """
    return _record(schema, {}, "fields")


def _shape(schema: Any, named: dict[str, Shape | None], field: str) -> Shape | None:
    """Return how values of a schema are shaped; None when they stay as they are."""
    if isinstance(schema, list):
        return _union(schema, named, field)
    kind = schema["type"] if isinstance(schema, Mapping) else schema
    if isinstance(kind, Mapping | list):
        return _shape(kind, named, field)
    if kind in _AS_THEY_ARE:
        if kind == "enum":
            named[schema["name"]] = None
        return None
    if kind in ("float", "double"):
        return _finite
    if kind == "record":
        return _record(schema, named, field)
    if kind == "array":
        return _array(_shape(schema["items"], named, field))
    if kind == "map":
        return _map(_shape(schema["values"], named, field))
    if kind.rpartition(".")[2] in named:
        return named[kind.rpartition(".")[2]]
    raise ShapeInvalid(field, f"type {kind!r} has no JSON form here")


def _record(schema: Mapping[str, Any], named: dict[str, Shape | None], field: str) -> Payload:
    shapes: dict[str, Shape] = {}
    kept_nulls: set[str] = set()

    def shape(record: Mapping[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, value in record.items():
            if value is None:
                if name in kept_nulls:
                    out[name] = None
            else:
                inner = shapes.get(name)
                out[name] = value if inner is None else inner(value)
        return out

    named[schema["name"]] = shape
    for each in schema["fields"]:
        name = each["name"]
        inner = _shape(each["type"], named, f"{field}.{name}")
        if inner is not None:
            shapes[name] = inner
        if each.get("renderNull"):
            kept_nulls.add(name)
    return shape


def _array(inner: Shape | None) -> Shape | None:
    return (
        None
        if inner is None
        else lambda values: [None if value is None else inner(value) for value in values]
    )


def _map(inner: Shape | None) -> Shape | None:
    if inner is None:
        return None
    return lambda values: {name: None if value is None else inner(value) for name, value in values.items()}


def _union(branches: list[Any], named: dict[str, Shape | None], field: str) -> Shape | None:
    by_type: dict[type, Shape | None] = {}
    for branch in branches:
        found = _python_type(branch)
        shape = _shape(branch, named, field)
        if found in by_type:
            raise ShapeInvalid(
                field, "a union has at most one branch for each JSON type, so that readers can tell"
            )
        by_type[found] = shape
    shapes = {found: shape for found, shape in by_type.items() if shape is not None}
    if not shapes:
        return None
    if len(branches) == 2 and "null" in branches:
        return next(iter(shapes.values()))

    def choose(value: Any) -> Any:
        shape = shapes.get(type(value))
        return value if shape is None else shape(value)

    return choose


def _python_type(branch: Any) -> type:
    kind = branch["type"] if isinstance(branch, Mapping) else branch
    known = {"null": type(None), "boolean": bool, "int": int, "long": int, "float": float, "double": float}
    if kind == "array":
        return list
    if kind in ("string", "enum"):
        return str
    # A name stands for a record; an enum's name beside an object is refused, which is seen when the schema is read.
    return known.get(kind, dict)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise RenderError(f"{value} is no JSON number")
    return value
