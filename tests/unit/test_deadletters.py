"""A dead letter says which delivery it is, for whom, and why it lies there."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Message

from tocsin.deadletters import read_dead_letter
from tocsin.deliveries import Progress, progress_headers
from tocsin.errors import Undecodable

HEADERS: list[tuple[str, str | bytes | None]] = [
    ("ce_id", b"e1"),
    ("ce_type", b"drift.alert"),
    ("ce_organization", b"acme"),
    ("tocsin_delivery_id", b"d1"),
    *progress_headers(Progress(run="job", step=5, attempt=4, last_status=503, last_error="busy")),
    ("tocsin_reason", b"exhausted"),
    ("tocsin_fault", b"subscriber"),
    ("tocsin_source", b"tocsin.deliveries/3/77"),
]


def message(**changes: Any) -> Message:
    """Return a record of the dead-letter topic."""
    fields: dict[str, Any] = {
        "topic": "tocsin.dlq",
        "partition": 3,
        "offset": 9,
        "key": b"s1",
        "value": b"delivery",
        "headers": HEADERS,
        "timestamp": (2, 1_700),
    }
    return Message(**(fields | changes))


def test_dead_letter_tells_all_that_its_headers_do() -> None:
    letter = read_dead_letter(message())
    assert (letter.partition, letter.offset, letter.timestamp_ms) == (3, 9, 1_700)
    assert (letter.delivery_id, letter.subscription_id, letter.value) == ("d1", "s1", b"delivery")
    assert (letter.organization, letter.event_type, letter.event_id) == ("acme", "drift.alert", "e1")
    assert (letter.reason, letter.fault, letter.source) == (
        "exhausted",
        "subscriber",
        "tocsin.deliveries/3/77",
    )
    assert (letter.attempts, letter.status, letter.error, letter.progress.run) == (4, 503, "busy", "job")


def test_dead_letter_without_what_is_only_shown_is_still_one() -> None:
    letter = read_dead_letter(message(headers=[("tocsin_delivery_id", b"d1")]))
    assert (letter.organization, letter.reason, letter.fault, letter.status) == ("", "unknown", None, None)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"headers": HEADERS[:3]}, id="no delivery id"),
        pytest.param({"headers": None}, id="no headers"),
        pytest.param({"key": None}, id="no key"),
        pytest.param({"key": b"\xff"}, id="key is not UTF-8"),
        pytest.param({"value": None}, id="no value"),
        pytest.param({"headers": [*HEADERS, ("tocsin_step", b"x")]}, id="step is no number"),
    ],
)
def test_record_that_could_not_be_replayed_is_no_dead_letter(changes: dict[str, Any]) -> None:
    with pytest.raises(Undecodable):
        read_dead_letter(message(**changes))
