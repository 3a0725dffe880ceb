"""Examples of what an Avro schema can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SIMPLE: Mapping[str, tuple[Any, Any]] = {
    "null": (None, None),
    "boolean": (False, True),
    "int": (0, -(1 << 31)),
    "long": (0, (1 << 63) - 1),
    "float": (0.0, 0.5),
    "double": (0.0, -1e300),
    "bytes": (b"", b"\x00\xff"),
    "string": ("", "\x00 ä \U0001f514"),
}


def example(node: Any, full: bool, named: dict[str, Any] | None = None) -> Any:
    """Return a value of a schema: with as little in it as it can have, or with everything.

    Args:
        node: A schema, or a part of one.
        full: Lists and maps have an element, unions their last branch.
        named: Record types met before, by name.
    """
    named = {} if named is None else named
    if isinstance(node, list):
        return example(node[-1 if full else 0], full, named)
    if isinstance(node, str):
        return example(named[node], full, named) if node in named else _SIMPLE[node][full]
    match node["type"]:
        case "record":
            named[node["name"]] = node
            return {field["name"]: example(field["type"], full, named) for field in node["fields"]}
        case "array":
            item = example(node["items"], full, named)
            return [item] if full else []
        case "map":
            item = example(node["values"], full, named)
            return {"a key": item} if full else {}
        case "enum":
            return node["symbols"][-1 if full else 0]
        case inner:
            return example(inner, full, named)
