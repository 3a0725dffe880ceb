"""A quarantined record goes back as it was, and stays the event that it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tocsin import events
from tocsin.kafka.topics import Topics
from tocsin.quarantined import Quarantined, outgoing

FOUND = Quarantined(
    partition=1,
    offset=2,
    timestamp_ms=9,
    source_topic="t.events.driftguard",
    source_partition=3,
    source_offset=44,
    source_timestamp_ms=1_795_255_200_000,
    program="router",
    reason="unknown magic byte",
    key=b"acme",
    value=b"\x07broken",
    headers=(("ce_type", b"drift.alert"), ("ce_organization", b"acme"), ("odd", None)),
)


def test_record_goes_back_with_its_key_bytes_and_headers() -> None:
    back = outgoing(FOUND)
    assert (back.topic, back.key, back.value) == ("t.events.driftguard", b"acme", b"\x07broken")
    assert tuple(back.headers[:3]) == FOUND.headers


def test_event_without_id_and_time_keeps_those_it_had_by_its_place() -> None:
    """Its id and time are made of where and when it lay; in its new place they would be others."""
    there = events.from_headers(
        FOUND.headers,
        topic=FOUND.source_topic,
        partition=FOUND.source_partition,
        offset=FOUND.source_offset,
        timestamp_ms=FOUND.source_timestamp_ms,
    )
    again = events.from_headers(
        outgoing(FOUND).headers, topic=FOUND.source_topic, partition=0, offset=999, timestamp_ms=1
    )
    assert again == there


def test_event_whose_record_had_no_time_gets_that_of_its_new_place() -> None:
    back = outgoing(replace(FOUND, source_timestamp_ms=1 << 62))
    assert "ce_time" not in dict(back.headers)
    assert "ce_id" in dict(back.headers)


def test_event_with_id_and_time_gets_no_other() -> None:
    headers = (*FOUND.headers, ("ce_id", b"e-1"), ("ce_time", b"2026-11-21T10:00:00Z"))
    assert tuple(outgoing(replace(FOUND, headers=headers)).headers) == headers


def test_delivery_goes_back_with_nothing_added() -> None:
    found = replace(FOUND, source_topic="t.deliveries")
    assert tuple(outgoing(found).headers) == FOUND.headers


@pytest.mark.parametrize(
    ("topic", "returns"),
    [
        ("t.events.driftguard", True),
        ("t.deliveries", True),
        ("t.redeliveries", True),
        ("t.delay.5m", True),
        ("t.subscriptions", False),
        ("t.keys", False),
        ("t.attempts", False),
        ("other.events.driftguard", False),
    ],
)
def test_row_of_a_table_does_not_go_back(topic: str, returns: bool) -> None:
    assert replace(FOUND, source_topic=topic).can_return(Topics("t")) is returns
