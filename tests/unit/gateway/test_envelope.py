"""What a caller sends as an event, and what is refused, by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.gateway import envelope
from producers.gateway.envelope import Defaults
from tocsin.errors import EventInvalid
from tocsin.events import Event

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
DEFAULTS = Defaults("acme", "/acme", NOW, lambda place: f"made-{place}")
DATA = {"score": 1}
CLOUD = {"specversion": "1.0", "id": "e-1", "source": "/monitor", "type": "drift.alert", "data": DATA}

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from([*CLOUD, *envelope.OURS, "datacontenttype", "data_base64", "partitionkey", "Upper"])


def test_event_of_ours_needs_a_type_and_data_alone() -> None:
    event, data = envelope.read({"type": "drift.alert", "data": DATA}, 3, DEFAULTS)
    assert event == Event("made-3", "/acme", "drift.alert", NOW, "acme")
    assert data == DATA


def test_every_attribute_is_taken_over() -> None:
    given_ = {
        "id": "e-1",
        "source": "/monitor",
        "type": "drift.alert",
        "time": "2026-11-21T10:30:00+02:00",
        "subject": "bot",
        "organization": "acme",
        "extensions": {"partitionkey": "bot", "severity": 3, "urgent": True, "nothing": None},
        "data": DATA,
    }
    event, _ = envelope.read(given_, 0, DEFAULTS)
    extensions = {"partitionkey": "bot", "severity": "3", "urgent": "true"}
    moment = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
    assert event == Event("e-1", "/monitor", "drift.alert", moment, "acme", "bot", extensions)


def test_what_stands_beside_the_data_of_a_cloudevent_is_an_extension() -> None:
    sent = {
        **CLOUD,
        "partitionkey": "bot",
        "datacontenttype": "application/json",
        "dataschema": "/x",
        "time": None,
    }
    event, data = envelope.read(sent, 0, DEFAULTS)
    assert event == Event("e-1", "/monitor", "drift.alert", NOW, "acme", None, {"partitionkey": "bot"})
    assert data == DATA


@pytest.mark.parametrize(
    ("value", "field", "reason"),
    [
        ([], "event", "must be an object"),
        ({}, "type", "is required"),
        ({"type": 1}, "type", "must be text"),
        ({"type": "a", "sorce": "/x"}, "sorce", "did you mean source"),
        ({"type": "a", "partitionkey": "x"}, "partitionkey", "is no attribute"),
        ({"type": "a", "organization": "rival"}, "organization", "the API key's"),
        ({"type": "a", "extensions": []}, "extensions", "must be an object"),
        ({"type": "a", "extensions": {"x": 1.5}}, "x", "must be text"),
        ({"type": "a", "extensions": {"source": "/y"}}, "source", "reserved"),
        ({"type": "a", "time": "yesterday"}, "time", "RFC 3339"),
        ({"type": "a", "time": "2026-11-21T08:00:00"}, "time", "time zone"),
        ({"type": "a", "time": "0001-01-01T00:00:00+14:00"}, "time", "RFC 3339"),
        ({"type": "a", "time": 5}, "time", "RFC 3339"),
        ({"type": "a", "id": ""}, "id", "must not be empty"),
        ({**CLOUD, "specversion": "0.3"}, "specversion", "must be '1.0'"),
        ({**CLOUD, "id": None}, "id", "is required"),
        ({**CLOUD, "organization": "rival"}, "organization", "the API key's"),
        ({**CLOUD, "Severity": "x"}, "Severity", "lower-case"),
        ({**CLOUD, "severity": {}}, "severity", "must be text"),
        ({**CLOUD, "datacontenttype": "text/xml"}, "datacontenttype", "application/json"),
        ({**CLOUD, "datacontenttype": 1}, "datacontenttype", "application/json"),
        ({**CLOUD, "data_base64": "AA=="}, "data_base64", "as JSON"),
    ],
)
def test_what_could_not_travel_is_refused_by_name(value: Any, field: str, reason: str) -> None:
    with pytest.raises(EventInvalid, match=reason) as refused:
        envelope.read(value, 0, DEFAULTS)
    assert refused.value.field == field


def test_cloudevent_needs_its_version_where_the_request_promises_one() -> None:
    with pytest.raises(EventInvalid, match="specversion"):
        envelope.read({"type": "a", "data": DATA}, 0, DEFAULTS, cloudevent=True)


@given(st.dictionaries(_NAMES, _JSON), st.booleans())
def test_whatever_is_sent_is_an_event_of_the_keys_organization_or_refused(
    value: dict[str, Any], cloudevent: bool
) -> None:
    try:
        event, _ = envelope.read(value, 0, DEFAULTS, cloudevent=cloudevent)
    except EventInvalid:
        return
    assert event.organization == "acme"
    assert event.time.tzinfo is UTC
