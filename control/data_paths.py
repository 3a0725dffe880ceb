"""Where a path leads in an event's data, as the schema says. Pure.

Optional fields, unions and arrays are looked through: a path goes on behind each of their branches and elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_SCALARS: Final = frozenset({"boolean", "int", "long", "float", "double", "string"})


@dataclass(frozen=True, slots=True)
class DeadEnd:
    """A path that leads nowhere.

    Attributes:
        way: How far it leads.
        names: What it could go on with there; none behind what has no fields.
    """

    way: tuple[str, ...]
    names: frozenset[str]


def follow(schema: Mapping[str, Any], path: Sequence[str]) -> list[Any] | DeadEnd:
    """Return the schemas that a path leads to, each a scalar, an enum, a record or a map; one or more.

    Args:
        schema: A record, as its file has it.
        path: Names of fields, and keys of maps.
    """
    named: dict[str, Any] = {}
    at = list(_plain(schema, named))
    for index, name in enumerate(path):
        behind = [inner for each in at for inner in _into(each, name, named)]
        if not behind:
            return DeadEnd(tuple(path[:index]), frozenset(field for each in at for field in _fields(each)))
        at = behind
    return at


def _into(schema: Any, name: str, named: dict[str, Any]) -> Iterator[Any]:
    if schema["type"] == "map":
        yield from _plain(schema["values"], named)
    else:
        yield from _plain(_fields(schema).get(name, []), named)


def _fields(schema: Any) -> Mapping[str, Any]:
    return {field["name"]: field["type"] for field in schema.get("fields", ())}


def _plain(schema: Any, named: dict[str, Any]) -> Iterator[Any]:
    """Yield what a value may be, with unions, arrays and names of types resolved; null is left out."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _plain(branch, named)
        return
    if isinstance(schema, str):
        schema = named.get(schema.rpartition(".")[2], {"type": schema})
    kind = schema["type"]
    if isinstance(kind, list | Mapping):
        yield from _plain(kind, named)
    elif kind == "array":
        yield from _plain(schema["items"], named)
    elif kind in named or kind in _SCALARS or kind == "map":
        yield named.get(kind, schema)
    elif kind in ("record", "enum"):
        _learn(schema, named)
        yield schema


def _learn(schema: Any, named: dict[str, Any]) -> None:
    """Note the names of the types that are defined inside of a schema: whoever comes later may use them."""
    if isinstance(schema, list):
        for branch in schema:
            _learn(branch, named)
    elif isinstance(schema, Mapping):
        if "name" in schema and schema.get("type") in ("record", "enum"):
            if schema["name"] in named:
                return
            named[schema["name"]] = schema
        for inner in ("type", "items", "values"):
            _learn(schema.get(inner), named)
        for field in schema.get("fields", ()):
            _learn(field["type"], named)
