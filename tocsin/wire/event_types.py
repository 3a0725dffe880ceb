"""Event types: one Avro schema each, with what readers of a catalogue want to know beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

import fastavro

from tocsin.errors import ConfigurationError, EventInvalid
from tocsin.wire.contracts import read_json
from tocsin.wire.fitting import compile_check
from tocsin.wire.payload import Payload, ShapeInvalid, compile_payload

_EVENT_TYPE: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\Z")
_OURS: Final = frozenset({"example", "exampleSource"})

ExampleSource = Literal["documentation", "tocsin"]
_SOURCES: Final = get_args(ExampleSource)


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type of a system.

    Attributes:
        name: Such as `drift.alert`.
        schema: The Avro schema as written.
        parsed: The same as fastavro has parsed it.
        fullname: The record's name with namespace.
        description: When it happens.
        example: Data of an example event.
        example_source: `documentation` if the system's document shows it, `tocsin` if it was made up.
        version: Raised at each change of the schema.
        check: Raises `EventInvalid` naming the field, `data.details.confidence`, for data that does not fit.
        payload: Makes the JSON object that receivers get from a decoded record.
    """

    name: str
    schema: Mapping[str, Any] = field(repr=False)
    parsed: Any = field(repr=False)
    fullname: str
    description: str
    example: Mapping[str, Any] = field(repr=False)
    example_source: ExampleSource
    version: int
    check: Callable[[Any], None] = field(repr=False)
    payload: Payload = field(repr=False)

    def field_names(self) -> frozenset[str]:
        """Return the names of the data's fields."""
        return frozenset(each["name"] for each in self.schema["fields"])


def load_event_types(folder: Path) -> dict[str, EventType]:
    """Read every schema of a system's folder; names to event types.

    Raises:
        ConfigurationError: A schema is malformed, two are of one event type, or there is none.
    """
    namespace = f"tocsin.{folder.name.replace('-', '_')}"
    found: dict[str, EventType] = {}
    for path in sorted(folder.glob("*.avsc")):
        made = _load(path, namespace)
        if made.name in found or made.fullname in {each.fullname for each in found.values()}:
            raise ConfigurationError(
                str(path), "eventType", "another schema has this event type or record name"
            )
        found[made.name] = made
    if not found:
        raise ConfigurationError(str(folder), "", "no event types: an .avsc each")
    return found


def _load(path: Path, namespace: str) -> EventType:
    schema = read_json(path)
    _check_attributes(path, schema, namespace)
    parsed, payload, check = _compile(path, schema)
    try:
        check(schema["example"])
    except EventInvalid as error:
        raise ConfigurationError(str(path), "example", f"does not fit the schema: {error}") from error
    return EventType(
        name=schema["eventType"],
        schema=schema,
        parsed=parsed,
        fullname=f"{namespace}.{schema['name']}",
        description=schema["doc"],
        example=schema["example"],
        example_source=schema["exampleSource"],
        version=schema.get("version", 1),
        check=check,
        payload=payload,
    )


def _check_attributes(path: Path, schema: Mapping[str, Any], namespace: str) -> None:
    name, version = schema.get("eventType"), schema.get("version", 1)
    rules = [
        ("type", schema.get("type") == "record", "must be a record"),
        ("namespace", schema.get("namespace") == namespace, f"must be {namespace}"),
        ("doc", bool(schema.get("doc")), "says when the event happens"),
        ("eventType", isinstance(name, str) and bool(_EVENT_TYPE.match(name)), "is a dotted lower-case name"),
        ("example", isinstance(schema.get("example"), dict), "must be the data of an example event"),
        ("exampleSource", schema.get("exampleSource") in _SOURCES, f"is {' or '.join(_SOURCES)}"),
        ("version", type(version) is int and version >= 1, "is a number from 1"),
    ]
    for key, holds, reason in rules:
        if not holds:
            raise ConfigurationError(str(path), key, reason)


def _compile(path: Path, schema: Mapping[str, Any]) -> tuple[Any, Payload, Callable[[Any], None]]:
    avro = {key: value for key, value in schema.items() if key not in _OURS}
    try:
        return fastavro.parse_schema(avro), compile_payload(schema), compile_check(schema)
    except ShapeInvalid as error:
        raise ConfigurationError(str(path), error.field, error.reason) from error
    except Exception as error:  # fastavro raises KeyError and others for what a schema lacks
        reason = f"is no Avro schema: {type(error).__name__}: {error}"
        raise ConfigurationError(str(path), "", reason) from error
