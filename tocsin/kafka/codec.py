"""Avro in Confluent's wire format: what is written, and the three framings that are read.

Written: `0x00`, schema id (4 bytes, big endian), Avro. Read besides: `0x01`, schema GUID (16 bytes), Avro; and
plain Avro with the GUID in the header `__value_schema_id`.
"""

from __future__ import annotations

import io
import struct
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fastavro
from fastavro import _read_py

from tocsin.errors import Undecodable
from tocsin.kafka.registry import BACKWARD, JsonSchema, Registry

Headers = Sequence[tuple[str, bytes | None]]

_ID_FRAME = struct.Struct(">bI")
_GUID_BYTES = 17
_SCHEMA_HEADER = "__value_schema_id"


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded value.

    Attributes:
        schema: The schema it was written with.
        record: Field name to value; logical types stay what they are stored as (timestamps: milliseconds).
    """

    schema: Mapping[str, Any]
    record: dict[str, Any]

    @property
    def fullname(self) -> str:
        return fullname(self.schema)


def fullname(schema: JsonSchema) -> str:
    """Return a record schema's name with its namespace."""
    name, namespace = schema["name"], schema.get("namespace")
    return name if "." in name or not namespace else f"{namespace}.{name}"


def subject(topic: str, schema: JsonSchema) -> str:
    """Return the subject of a schema on a topic (TopicRecordNameStrategy)."""
    return f"{topic}-{fullname(schema)}"


class Encoder:
    """Writes records of one schema for one topic; registers the schema on first use of the constructor.

    Raises:
        ConfigurationError, RegistryUnavailable: As `Registry.register`.
    """

    def __init__(
        self, registry: Registry, topic: str, schema: JsonSchema, compatibility: str = BACKWARD
    ) -> None:
        self.schema_id = registry.register(subject(topic, schema), schema, compatibility)
        self._prefix = _ID_FRAME.pack(0, self.schema_id)
        self._parsed = _parse(schema)

    def __call__(self, record: Mapping[str, Any]) -> bytes:
        out = io.BytesIO()
        out.write(self._prefix)
        fastavro.schemaless_writer(out, self._parsed, record)
        return out.getvalue()


class Decoder:
    """Reads values in any of the framings.

    Args:
        registry: Where schemas are looked up, once each.
        reader_schema: Read into this version (Avro schema resolution); None reads as it was written.
    """

    def __init__(self, registry: Registry, reader_schema: JsonSchema | None = None) -> None:
        self._registry = registry
        self._reader = _parse(reader_schema) if reader_schema is not None else None
        self._wanted = fullname(reader_schema) if reader_schema is not None else None
        self._writers: dict[int | str, tuple[dict[str, Any], Any, Any, Any]] = {}

    def __call__(self, value: bytes | None, headers: Headers | None = None) -> Decoded:
        """Decode one value.

        Raises:
            Undecodable: The bytes are poison; the message says why.
            RegistryUnavailable: The schema could not be looked up now.
        """
        if not value:
            raise Undecodable("the value is null" if value is None else "the value is empty")
        key, start = _frame(value, headers)
        schema, read, writer, reader = self._writer(key)
        buffer = io.BytesIO(value)
        buffer.seek(start)
        try:
            record = read(buffer, writer, reader)
        except Exception as error:  # fastavro raises whatever the malformed bytes lead it into
            raise Undecodable(f"not {fullname(schema)}: {type(error).__name__}: {error}"[:500]) from error
        if not isinstance(record, dict):
            raise Undecodable(f"{schema.get('name')} is not a record")
        if buffer.tell() != len(value):
            raise Undecodable(f"{len(value) - buffer.tell()} bytes follow the {fullname(schema)}")
        return Decoded(schema, record)

    def _writer(self, key: int | str) -> tuple[dict[str, Any], Any, Any, Any]:
        known = self._writers.get(key)
        if known is None:
            schema = (
                self._registry.schema(key) if isinstance(key, int) else self._registry.schema_by_guid(key)
            )
            if schema.get("type") != "record":
                raise Undecodable(f"schema {key} is not a record")
            try:
                name, parsed = fullname(schema), _parse(schema)
                read = _reader(parsed)
            except Exception as error:  # a registry holds what others wrote: no name, types of another schema
                raise Undecodable(
                    f"schema {key} cannot be read: {type(error).__name__}: {error}"[:500]
                ) from error
            if self._wanted is not None and name != self._wanted:
                raise Undecodable(f"a {name} where a {self._wanted} belongs")
            wanted = None if parsed == self._reader else self._reader
            known = self._writers[key] = (schema, read, parsed, wanted)
        return known


def _frame(value: bytes, headers: Headers | None) -> tuple[int | str, int]:
    in_header = next((data for name, data in headers or () if name == _SCHEMA_HEADER), None)
    if in_header is not None:
        if len(in_header) != _GUID_BYTES or in_header[0] != 1:
            raise Undecodable(f"header {_SCHEMA_HEADER} is not a schema GUID")
        return str(uuid.UUID(bytes=in_header[1:])), 0
    if value[0] == 0 and len(value) >= _ID_FRAME.size:
        return _ID_FRAME.unpack_from(value)[1], _ID_FRAME.size
    if value[0] == 1 and len(value) >= _GUID_BYTES:
        return str(uuid.UUID(bytes=value[1:_GUID_BYTES])), _GUID_BYTES
    if value[0] in (0, 1):
        raise Undecodable(f"truncated: {len(value)} bytes")
    raise Undecodable(f"unknown magic byte 0x{value[0]:02x}")


def _parse(schema: JsonSchema) -> Any:
    return fastavro.parse_schema(_plain(schema))


def _reader(parsed: Any) -> Any:
    """Return what reads values of a schema: few bytes of it must neither fill the memory nor end the process.

    Raises:
        ValueError: Its lists may have elements of no bytes, so that six bytes say any number of them.
    """
    named = parsed["__named_schemas"]
    if any(_takes_nothing(each["items"], named) for each in _arrays(parsed)):
        raise ValueError("a list of what takes no bytes")
    # Where a type holds itself, each byte may be a level: the compiled reader would run out of stack, and crash.
    return _read_py.schemaless_reader if _holds_itself(parsed, frozenset()) else fastavro.schemaless_reader


def _arrays(node: Any) -> Iterator[Any]:
    for each in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _arrays(each)
    if isinstance(node, Mapping) and node.get("type") == "array":
        yield node


def _takes_nothing(node: Any, named: Mapping[str, Any]) -> bool:
    if isinstance(node, list):
        return False  # which branch it is takes a byte
    if isinstance(node, str):
        return node == "null" or (node in named and _takes_nothing(named[node], named))
    if node["type"] == "record":
        return all(_takes_nothing(field["type"], named) for field in node["fields"])
    if node["type"] == "fixed":
        return bool(node["size"] == 0)
    return node["type"] not in ("array", "map", "enum") and _takes_nothing(node["type"], named)


def _holds_itself(node: Any, around: frozenset[str]) -> bool:
    if isinstance(node, list):
        return any(_holds_itself(each, around) for each in node)
    if isinstance(node, str):
        return node in around
    if node["type"] == "record":
        inside = around | {node["name"]}
        return any(_holds_itself(field["type"], inside) for field in node["fields"])
    return _holds_itself(node.get("items", node.get("values", node["type"])), around)


def _plain(node: Any) -> Any:
    """Return the schema without logical types: records hold what is stored, conversions cost more than Avro."""
    if isinstance(node, Mapping):
        return {key: _plain(item) for key, item in node.items() if key not in ("logicalType", "example")}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return node
