"""Framings that are read and written, and what is poison."""

from __future__ import annotations

import struct
import uuid
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Undecodable
from tocsin.kafka.codec import Decoder, Encoder, fullname, subject

SCHEMA = {
    "type": "record",
    "name": "Thing",
    "namespace": "tocsin.test",
    "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}
RECORD = {"id": str(uuid.UUID(int=7)), "at": 1_700_000_000_123, "note": None}
GUID = uuid.UUID(int=42)


class KnownSchemas:
    """A registry that holds one schema, under one id and one GUID."""

    def register(self, subject: str, schema: Any, compatibility: str) -> int:
        return 7

    def schema(self, schema_id: int) -> dict[str, Any]:
        if schema_id != 7:
            raise Undecodable(f"unknown schema id {schema_id}")
        return SCHEMA

    def schema_by_guid(self, guid: str) -> dict[str, Any]:
        if guid != str(GUID):
            raise Undecodable(f"unknown schema GUID {guid}")
        return SCHEMA


registry: Any = KnownSchemas()
encoded = Encoder(registry, "t", SCHEMA)(RECORD)
payload = encoded[5:]


def test_written_value_is_magic_byte_schema_id_and_avro() -> None:
    assert struct.unpack_from(">bI", encoded) == (0, 7)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (encoded, None),
        (b"\x01" + GUID.bytes + payload, None),
        (payload, [("__value_schema_id", b"\x01" + GUID.bytes)]),
    ],
    ids=["id prefix", "GUID prefix", "GUID header"],
)
def test_all_three_framings_are_read(value: bytes, headers: Any) -> None:
    decoded = Decoder(registry)(value, headers)
    assert decoded.record == RECORD
    assert decoded.fullname == "tocsin.test.Thing"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "null"),
        (b"", "empty"),
        (b"{}", "unknown magic byte 0x7b"),
        (b"\x00\x00", "truncated"),
        (b"\x01\x00", "truncated"),
        (b"\x00\x00\x00\x00\x08" + payload, "unknown schema id 8"),
        (encoded[:-3], "not tocsin.test.Thing"),
        (encoded + b"\x00", "1 bytes follow"),
        (encoded[:5] + b"\xff" * 30, "not tocsin.test.Thing"),
    ],
)
def test_poison_says_what_is_wrong(value: bytes | None, why: str) -> None:
    with pytest.raises(Undecodable, match=why):
        Decoder(registry)(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_poison(garbage: bytes) -> None:
    try:
        Decoder(registry)(encoded[:5] + garbage)
    except Undecodable:
        return


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "string"}, "not a record"),
        ({}, "not a record"),
        ({"type": "record", "fields": []}, "KeyError"),
        ({"type": "record", "name": 5, "fields": []}, "TypeError"),
        ({"type": "record", "name": "Thing", "fields": [{"name": "a", "type": "Elsewhere"}]}, "Elsewhere"),
    ],
)
def test_value_of_a_schema_that_cannot_be_read_is_poison(
    schema: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds = KnownSchemas()
    monkeypatch.setattr(holds, "schema", lambda schema_id: schema)
    with pytest.raises(Undecodable, match=why):
        Decoder(cast(Any, holds))(encoded)


LINKED: dict[str, Any] = {
    "type": "record",
    "name": "Link",
    "fields": [{"name": "next", "type": ["null", "Link"]}],
}


def test_type_that_holds_itself_is_read_and_too_deep_a_value_is_poison() -> None:
    """Compiled code would run out of stack, and take the process with it."""
    linked: Any = KnownSchemas()
    linked.schema = lambda schema_id: LINKED
    frame = encoded[:5]
    assert Decoder(linked)(frame + b"\x02\x02\x00").record == {"next": {"next": {"next": None}}}
    with pytest.raises(Undecodable, match="RecursionError"):
        Decoder(linked)(frame + b"\x02" * 200_000 + b"\x00")


@pytest.mark.parametrize(
    "items",
    [
        "null",
        {"type": "fixed", "name": "None", "size": 0},
        {"type": "record", "name": "Empty", "fields": [{"name": "a", "type": "null"}]},
    ],
)
def test_list_whose_elements_take_no_bytes_is_poison(items: Any) -> None:
    """A few bytes would be a list of any length."""
    listed: Any = KnownSchemas()
    fields = [{"name": "all", "type": ["null", {"type": "array", "items": items}]}]
    listed.schema = lambda schema_id: {"type": "record", "name": "Listed", "fields": fields}
    with pytest.raises(Undecodable, match="takes no bytes"):
        Decoder(listed)(encoded[:5] + b"\x02\x0e\x00")


def test_other_record_than_the_topic_holds_is_poison() -> None:
    other = {"type": "record", "name": "Other", "fields": []}
    with pytest.raises(Undecodable, match="where a Other belongs"):
        Decoder(registry, other)(encoded)


def test_older_version_is_read_into_todays() -> None:
    newer = SCHEMA | {"fields": [*SCHEMA["fields"], {"name": "more", "type": "int", "default": 3}]}
    assert Decoder(registry, newer)(encoded).record == RECORD | {"more": 3}


def test_subject_is_topic_and_record_name() -> None:
    assert subject("tocsin.events.x", SCHEMA) == "tocsin.events.x-tocsin.test.Thing"
    assert fullname({"name": "Bare"}) == "Bare"
