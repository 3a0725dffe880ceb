"""What was written by hand, or by another version, hurts no reader."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.delivery.endpoints import Endpoint, Endpoints, Refused
from control.representation import shown
from tests.unit.samples import OLD, PLAIN, SYSTEMS, TOPIC
from tocsin import deliveries, events, soundness, subscriptions
from tocsin.deliveries import Delivery
from tocsin.destinations import Policy
from tocsin.errors import Undecodable
from tocsin.events import Event
from tocsin.health import Health
from tocsin.matching import Index
from tocsin.soundness import COUNTER_MAX, TIME_MAX_MS, sound
from tocsin.subscriptions import StoredSecret, Subscription
from tocsin.wire import carried_headers

GOOD: Final = replace(PLAIN, headers={})
SECRET: Final = StoredSecret("sec_1", "old", b"n" * 12, b"s" * 40, 0)
DELIVERY: Final = Delivery(
    "0b4c5f9e-1f2d-5a6b-8c7d-9e0f1a2b3c4d", "acme", "wh_1", 0, "governlayer", None, "e", "/s", "drift.alert", 0,
    "application/json", (("User-Agent", "t"),), b"{}",
)  # fmt: skip
EVENT: Final = Event("e", "/s", "drift.alert", datetime.now(UTC), "acme")


def test_row_as_the_api_writes_it_is_sound() -> None:
    assert sound(GOOD, "wh_1") is GOOD
    assert sound(replace(PLAIN, secrets=(SECRET,), version=COUNTER_MAX, created_at=TIME_MAX_MS), "wh_1")


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "wh_2"},
        {"created_at": -1},
        {"updated_at": TIME_MAX_MS + 1},
        {"effective_at": 1 << 62},
        {"version": 0},
        {"version": (1 << 63) - 1},
        {"generation": -5},
        {"url": "https://example.com/" + "a" * 3_000},
        {"description": "x" * (1 << 20)},
        {"inactive_reason": "x" * (1 << 20)},
        {"organization": "x" * 1_000},
        {"system": "x" * 1_000},
        {"event_types": ("*",) * 1_000},
        {"event_types": ("*" * 1_000,)},
        {"scope": {"a": "x" * 10_000}},
        {"scope": {"a" * 1_000: "x"}},
        {"filters": "[" * (1 << 20)},
        {"headers": {"X-A": "b\r\nX-C: d"}},
        {"headers": {"X\r\nA": "b"}},
        {"headers": {"Host": "internal"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {f"X-{number}": "v" for number in range(100)}},
        {"sealed_headers": {"content-length": SECRET}},
        {"secrets": (SECRET,) * 100},
        {"secrets": (replace(SECRET, sealed=b"s" * 100_000),)},
        {"secrets": (replace(SECRET, created_at=1 << 62),)},
        {"secrets": (replace(SECRET, expires_at=-1),)},
        {"secrets": (replace(SECRET, id="s" * 1_000),)},
        {"sealed_url": replace(SECRET, key_id="k" * 1_000)},
    ],
)
def test_row_that_could_hurt_a_reader_is_poison_and_is_not_repeated_in_words(changes: dict[str, Any]) -> None:
    with pytest.raises(Undecodable, match="not sound") as refused:
        sound(replace(GOOD, **changes), "wh_1")
    assert len(str(refused.value)) < 200
    assert "\n" not in str(refused.value)


def test_row_under_another_rows_key_is_poison() -> None:
    """Sealed secrets are bound to the id inside; the key is what deliveries are looked up by."""
    with pytest.raises(Undecodable, match="a key that is not its id"):
        sound(GOOD, "wh_victim")


_TEXT: Final = st.text(max_size=60)
_DAY: Final = timedelta(hours=23, minutes=59)
_LONG: Final = st.integers(-(1 << 63), (1 << 63) - 1)
_SECRET: Final = st.builds(
    StoredSecret, _TEXT, st.sampled_from(["old", "gone"]), st.binary(max_size=20), st.binary(max_size=64), _LONG,
    st.none() | _LONG,
)  # fmt: skip


class Row:
    """A table with one row."""

    position = 1

    def __init__(self, row: Subscription) -> None:
        self._row = row

    def __len__(self) -> int:
        return 1

    def age_s(self) -> float:
        return 0.0

    def get(self, key: str) -> Subscription | None:
        return self._row


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "url": _TEXT | st.sampled_from(["http://10.0.0.1/", "https://[::1]/", "//x", "https://h…/"]),
            "event_types": st.lists(_TEXT, max_size=5).map(tuple),
            "format": st.none() | _TEXT | st.sampled_from(["slack", "pagerduty"]),
            "system": _TEXT,
            "scope": st.dictionaries(_TEXT, _TEXT, max_size=3),
            "filters": st.none() | _TEXT,
            "description": _TEXT,
            "inactive_reason": st.none() | _TEXT,
            "active": st.booleans(),
            "headers": st.dictionaries(_TEXT, _TEXT, max_size=3),
            "sealed_headers": st.dictionaries(_TEXT, _SECRET, max_size=3),
            "sealed_url": st.none() | _SECRET,
            "secrets": st.lists(_SECRET, max_size=3).map(tuple),
            "created_at": _LONG,
            "updated_at": _LONG,
            "effective_at": _LONG,
            "version": _LONG,
            "generation": _LONG,
        },
    )
)
def test_row_written_by_hand_is_poison_or_harmless_to_every_reader(changes: dict[str, Any]) -> None:
    """It is listed, matched and looked up for sending without an error, and nothing is sent where it may not."""
    row = replace(GOOD, **changes)
    try:
        sound(subscriptions.from_record(subscriptions.to_record(row), 0), "wh_1")
    except Undecodable:
        return
    wire = SYSTEMS.formats.get(row.format or "", SYSTEMS["governlayer"].wire)
    shown(row, SYSTEMS["governlayer"], wire)
    index = Index({"governlayer": ["drift.alert"]})
    index.update(row.id, row)
    index.match(EVENT, "governlayer", {})
    table: Any = Row(row)
    found = Endpoints(table, SYSTEMS, OLD, Policy(), TOPIC).find(replace(DELIVERY, subscription_id=row.id), 1)
    assert isinstance(found, Endpoint | Refused)
    if isinstance(found, Endpoint):
        assert found.url.startswith("https://")
        assert found.keys or not found.wire.has_secret


@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=4))
def test_headers_that_pass_cannot_end_a_request_or_begin_another(headers: list[tuple[str, str]]) -> None:
    if carried_headers.fault(headers) is None:
        assert not {character for pair in headers for text in pair for character in text} & set("\r\n\0")
        assert all(name and name.isascii() and ":" not in name for name, _ in headers)


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": (("Host", "internal"),)},
        {"headers": (("Content-Length", "0"),)},
        {"headers": (("X-A", "b\r\n\r\nGET / HTTP/1.1"),)},
        {"content_type": "text/plain\r\nX-A: b"},
        {"delivery_id": "../../etc/passwd"},
    ],
)
def test_delivery_that_would_smuggle_something_is_poison(changes: dict[str, Any]) -> None:
    assert deliveries.from_record(deliveries.to_record(DELIVERY)) == DELIVERY
    with pytest.raises(Undecodable):
        deliveries.from_record(deliveries.to_record(replace(DELIVERY, **changes)))


def test_offset_that_no_table_will_ever_reach_does_not_hold_a_delivery_for_ever() -> None:
    """The first look may be too early; a table that is complete after it, and not so far, tells the lie."""

    class Empty(Row):
        position = 7

        def get(self, key: str) -> None:
            return None

    table: Any = Empty(GOOD)
    endpoints = Endpoints(table, SYSTEMS, OLD, Policy(), TOPIC)
    lying = replace(DELIVERY, subscription_offset=1 << 60)
    assert endpoints.find(lying, 1) is None
    found = endpoints.find(lying, 1)
    assert isinstance(found, Refused)
    assert found.reason == "gone"


_EVENT_HEADERS: Final = st.fixed_dictionaries(
    {"ce_type": st.just(b"drift.alert"), "ce_organization": st.just(b"acme")},
    optional={
        "ce_time": st.datetimes(timezones=st.timedeltas(-_DAY, _DAY).map(timezone))
        .map(datetime.isoformat)
        .map(str.encode)
        | st.sampled_from([b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00"]),
        "ce_id": st.binary(max_size=30),
        "ce_source": st.none() | st.binary(max_size=30),
    },
)


@given(
    st.dictionaries(st.text(max_size=10).map("ce_{}".format), st.none() | st.binary(max_size=30), max_size=4),
    _EVENT_HEADERS,
    _LONG,
)
def test_event_from_any_headers_is_poison_or_can_travel_on(
    others: dict[str, bytes | None], known: dict[str, bytes | None], timestamp_ms: int
) -> None:
    headers = list({**known, **others}.items())
    try:
        event = events.from_headers(headers, topic="t", partition=0, offset=0, timestamp_ms=timestamp_ms)
    except Undecodable:
        return
    assert (
        events.from_headers(events.to_headers(event), topic="t", partition=0, offset=0, timestamp_ms=0)
        == event
    )


_HEADERS: Final = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "run",
                "step",
                "attempt",
                "parked",
                "parked_at",
                "remaining_s",
                "last_status",
                "last_error",
                "test",
            ]
        ).map(lambda name: f"tocsin_{name}"),
        st.none() | st.binary(max_size=80) | st.integers().map(lambda number: str(number).encode()),
    ),
    max_size=12,
)


@given(_HEADERS)
def test_progress_from_any_headers_is_poison_or_within_bounds(
    headers: list[tuple[str, bytes | None]],
) -> None:
    try:
        progress = deliveries.read_progress(headers)
    except Undecodable:
        return
    assert 0 <= progress.step <= 1_000_000
    assert 0 <= progress.attempt <= 1_000_000
    assert 0 <= progress.remaining_s <= 86_400
    assert len(progress.run) <= 64
    assert len(progress.last_error or "") <= deliveries.ERROR_MAX_CHARS
    again = deliveries.read_progress(deliveries.progress_headers(progress))
    assert again == replace(progress, last_error=progress.last_error or None)


@given(st.binary(max_size=200))
def test_decision_from_any_bytes_is_poison_or_a_decision(packed: bytes) -> None:
    for read in (
        lambda: deliveries.unpack_decision(packed),
        lambda: deliveries.read_decision([("tocsin_source", packed), ("tocsin_identity", packed)]),
    ):
        with contextlib.suppress(Undecodable):
            read()


def test_ids_that_the_api_makes_are_sound() -> None:
    assert soundness.ID.fullmatch("wh_0123456789abcdef01234567")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subscription_id": "wh_2"}, "under a key that is not"),
        ({"since_ms": TIME_MAX_MS + 1}, "no calendar"),
        ({"since_ms": -1}, "no calendar"),
        ({"failing_since_ms": 1 << 62}, "no calendar"),
    ],
    ids=str,
)
def test_health_that_could_hurt_its_readers_is_poison(changes: dict[str, Any], reason: str) -> None:
    found = Health("wh_1", "acme", 1, True, "gone", 1_000)
    assert soundness.sound_health(found, "wh_1") is found
    with pytest.raises(Undecodable, match=reason):
        soundness.sound_health(replace(found, **changes), "wh_1")
