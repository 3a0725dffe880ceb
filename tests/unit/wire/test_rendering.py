"""What open formats make of an event, and what no format may send."""

from __future__ import annotations

import json
import math
import re
import uuid
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.wire.folders import copied
from tests.unit.wire.samples import DELIVERY, an_event
from tocsin.errors import NoSecret, RenderError
from tocsin.wire.rendering import DeliveryFacts, Rendered, inject_secret, render
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()
EVERY_EVENT = [(name, type) for name in sorted(SYSTEMS) for type in sorted(SYSTEMS[name].event_types)]
OTHER = DeliveryFacts(uuid.UUID("11111111-2222-5333-8444-555555555555"), "wh_2")
ALERT: dict[str, Any] = {
    "system_name": "a <b> & c",
    "drift_score": 0.87,
    "decision": "ESCALATE",
    "ledger_hash": "h",
}


def _rendered(
    format: str | None, system: str = "governlayer", type: str = "drift.alert", **changes: Any
) -> Rendered:
    example = SYSTEMS[system].event_types[type].example
    return render(SYSTEMS.wire_format(system, format), an_event(system, type, **changes), example, DELIVERY)


def test_headers_of_compliancelayer_are_the_documented_ones() -> None:
    """The five, less the signature that each attempt makes: names and order as documented."""
    rendered = _rendered(None, "compliancelayer", "scan.completed")
    number = str(DELIVERY.id.int & (2**53 - 1))
    assert rendered.headers == (
        ("User-Agent", "ComplianceLayer-Webhooks/1.0"),
        ("X-ComplianceLayer-Event", "scan.completed"),
        ("X-ComplianceLayer-Delivery", number),
    )
    assert rendered.content_type == "application/json"


@pytest.mark.parametrize("format", [None, *SYSTEMS.formats])
@pytest.mark.parametrize(("system", "type"), EVERY_EVENT)
def test_only_what_says_so_depends_on_the_delivery(system: str, type: str, format: str | None) -> None:
    """The router renders once for all subscriptions of a format that does not."""
    wire = SYSTEMS.wire_format(system, format)
    event, example = an_event(system, type), SYSTEMS[system].event_types[type].example
    same = render(wire, event, example, DELIVERY) == render(wire, event, example, OTHER)
    assert same is not wire.depends_on_delivery


def test_systems_and_formats_that_depend_on_the_delivery() -> None:
    """Stated, so that a change is a decision."""
    assert [name for name in sorted(SYSTEMS) if not SYSTEMS[name].wire.depends_on_delivery] == ["tork"]
    assert not [name for name, wire in SYSTEMS.formats.items() if wire.depends_on_delivery]


def test_ids_are_the_documented_ones_or_derived() -> None:
    """GovernLayer's are the delivery's; ComplianceLayer's and Tork's the event's."""
    body = orjson.loads(_rendered(None).body)
    assert re.fullmatch(r"wh_[0-9a-f]{32}", body["id"])
    body = orjson.loads(_rendered(None, "compliancelayer", "scan.completed", id="not a uuid").body)
    assert uuid.UUID(body["id"]).version == 5
    body = orjson.loads(_rendered(None, "tork", "agent.updated", id="not an evt").body)
    assert re.fullmatch(r"evt_[0-9a-f]{32}", body["id"])


def test_environment_of_tork_is_the_events() -> None:
    """`production` without one."""
    body = orjson.loads(_rendered(None, "tork", "agent.updated", attributes={"environment": "staging"}).body)
    assert body["environment"] == "staging"


def test_standard_webhooks_body_is_type_timestamp_data() -> None:
    """In this order, the time as precise as it is."""
    body = _rendered("standard-webhooks").body.decode()
    assert body.startswith(
        '{"type":"drift.alert","timestamp":"2026-04-25T14:30:00.123456Z","data":{"system_name":'
    )


def test_structured_cloudevent_holds_every_attribute() -> None:
    """`subject` is absent, not null, when the event has none."""
    rendered = _rendered("cloudevents-structured", attributes={"partitionkey": "p", "environment": "e"})
    assert rendered.content_type == "application/cloudevents+json; charset=UTF-8"
    body = orjson.loads(rendered.body)
    assert body.pop("data") == dict(SYSTEMS["governlayer"].event_types["drift.alert"].example)
    assert body == {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "/source",
        "type": "drift.alert",
        "time": "2026-04-25T14:30:00.123456Z",
        "organization": "acme",
        "datacontenttype": "application/json",
        "partitionkey": "p",
        "environment": "e",
    }


def test_binary_cloudevent_has_its_attributes_in_headers() -> None:
    """Percent-encoded; the body is the data alone."""
    rendered = _rendered("cloudevents-binary", subject='a "b" 100% ✓', attributes={"partitionkey": "é"})
    assert orjson.loads(rendered.body) == dict(SYSTEMS["governlayer"].event_types["drift.alert"].example)
    assert dict(rendered.headers) == {
        "ce-specversion": "1.0",
        "ce-id": "evt-1",
        "ce-source": "/source",
        "ce-type": "drift.alert",
        "ce-time": "2026-04-25T14:30:00.123456Z",
        "ce-subject": "a%20%22b%22%20100%25%20%E2%9C%93",
        "ce-organization": "acme",
        "ce-partitionkey": "%C3%A9",
    }


@pytest.mark.parametrize(("system", "type"), EVERY_EVENT)
def test_slack_message_is_one_that_slack_accepts(system: str, type: str) -> None:
    """Texts are there, not empty and within Slack's limits, for every event of every system."""
    body = orjson.loads(_rendered("slack", system, type).body)
    assert 0 < len(body["text"]) <= 4000
    assert [block["type"] for block in body["blocks"]] == ["section", "section", "context"]
    for block in body["blocks"]:
        for text in [block["text"]] if "text" in block else block["elements"]:
            assert text["type"] == "mrkdwn"
            assert 0 < len(text["text"]) <= 3000
    assert type in body["text"]


def test_slack_message_shows_what_happened_and_escapes_it() -> None:
    """A name with angle brackets mentions nobody."""
    wire = SYSTEMS.wire_format("governlayer", "slack")
    body = orjson.loads(render(wire, an_event("governlayer", "drift.alert"), ALERT, DELIVERY).body)
    assert "*system_name*: a &lt;b&gt; &amp; c" in body["blocks"][1]["text"]["text"]
    assert body["blocks"][2]["elements"][0]["text"] == "governlayer · acme · 2026-04-25T14:30:00Z"


def test_slack_message_is_signed_as_its_system_signs() -> None:
    """Every delivery of a system carries its signature, whatever its body."""
    assert SYSTEMS.wire_format("driftguard", "slack").signature is SYSTEMS["driftguard"].wire.signature


SEVERITIES = [
    ("compliancelayer", "alert.triggered", "error"),
    ("driftguard", "breaking", "critical"),
    ("driftguard", "pass", "info"),
    ("governlayer", "governance.escalation", "critical"),
    ("governlayer", "drift.alert", "warning"),
    ("truthvouch", "sentinel.threat_detected", "error"),
]


@pytest.mark.parametrize(("system", "type", "severity"), SEVERITIES)
def test_pagerduty_severity_follows_the_events(system: str, type: str, severity: str) -> None:
    """PagerDuty knows four; what says nothing is a warning."""
    assert orjson.loads(_rendered("pagerduty", system, type).body)["payload"]["severity"] == severity


@pytest.mark.parametrize(("system", "type"), EVERY_EVENT)
def test_pagerduty_event_is_one_that_pagerduty_accepts(system: str, type: str) -> None:
    """Required fields, allowed severities, lengths; the routing key only at the moment of sending."""
    rendered = _rendered("pagerduty", system, type, id="i" * 1024, source="s" * 1024)
    body = orjson.loads(rendered.body)
    assert "routing_key" not in body
    assert body["event_action"] == "trigger"
    assert 0 < len(body["dedup_key"]) <= 255
    payload = body["payload"]
    assert 0 < len(payload["summary"]) <= 1024
    assert 0 < len(payload["source"]) <= 255
    assert payload["severity"] in ("critical", "error", "warning", "info")
    assert payload["custom_details"] == dict(SYSTEMS[system].event_types[type].example)


def test_dedup_key_is_the_same_for_every_subscription_and_differs_between_events() -> None:
    """An event that arrives twice opens one incident."""
    keys = [orjson.loads(_rendered("pagerduty", id=id).body)["dedup_key"] for id in ("a", "a", "b")]
    assert keys[0] == keys[1] != keys[2]


def test_injected_secret_leaves_the_rest_of_the_body_as_it_is() -> None:
    """Spliced in, not serialised again; a quote in it breaks nothing out."""
    wire = SYSTEMS.wire_format("governlayer", "pagerduty")
    body = _rendered("pagerduty").body
    sent = inject_secret(body, wire, 'R"123')
    assert sent == b'{"routing_key":"R\\"123",' + body[1:]
    assert orjson.loads(sent) == {"routing_key": 'R"123', **orjson.loads(body)}


def test_body_that_needs_a_secret_never_leaves_without() -> None:
    """And one that needs none is given back as it is."""
    with pytest.raises(NoSecret):
        inject_secret(b'{"a":1}', SYSTEMS.wire_format("governlayer", "pagerduty"), "")
    assert inject_secret(b'{"a":1}', SYSTEMS["governlayer"].wire, "") == b'{"a":1}'


UNRENDERABLE: list[tuple[str, str | None, dict[str, Any], dict[str, Any], str]] = [
    ("unknown type", None, {"type": "drift.other"}, {}, "is no event of governlayer"),
    ("NaN", None, {}, {"drift_score": math.nan}, "no JSON number"),
    ("half a surrogate pair", None, {}, {"system_name": "\ud800"}, "no JSON"),
    ("bytes", None, {}, {"system_name": b"x"}, "no JSON"),
    ("too large for JSON", "slack", {}, {"system_name": 2**70}, "no JSON"),
    (
        "attribute named as the envelope's",
        "cloudevents-structured",
        {"attributes": {"datacontenttype": "x"}},
        {},
        "twice",
    ),
]


@pytest.mark.parametrize(
    ("format", "facts", "data", "reason"),
    [case[1:] for case in UNRENDERABLE],
    ids=[case[0] for case in UNRENDERABLE],
)
def test_event_that_a_format_can_not_express_raises(
    format: str | None, facts: dict[str, Any], data: dict[str, Any], reason: str
) -> None:
    """So that it goes to quarantine instead of out as a lie."""
    event = an_event("governlayer", **{"type": "drift.alert"} | facts)
    with pytest.raises(RenderError, match=reason):
        render(SYSTEMS.wire_format("governlayer", format), event, {**ALERT, **data}, DELIVERY)


def test_header_value_that_http_can_not_carry_raises(tmp_path: Any) -> None:
    """No CR or LF gets into a header; a format that must carry such values percent-encodes them."""
    root = copied(
        tmp_path,
        "tork",
        lambda text: text.replace("[signature]", '[headers]\nX-Id = "${event.id}"\n\n[signature]'),
    )
    wire = load_systems(root)["tork"].wire
    example = SYSTEMS["tork"].event_types["agent.updated"].example
    for id in ("a\r\nX-Other: b", "é", " a", ""):
        with pytest.raises(RenderError, match="X-Id can't carry"):
            render(wire, an_event("tork", "agent.updated", id=id), example, DELIVERY)


@given(
    st.dictionaries(
        st.text(max_size=20),
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=50),
        max_size=8,
    )
)
def test_free_form_data_comes_out_as_it_went_in(metadata: dict[str, Any]) -> None:
    """Values, types, order and nulls of what a caller attached."""
    data = {"agent_id": "a", "changed_fields": [], "metadata": metadata}
    body = json.loads(render(SYSTEMS["tork"].wire, an_event("tork", "agent.updated"), data, DELIVERY).body)
    assert body["data"]["metadata"] == metadata
    assert list(body["data"]["metadata"]) == list(metadata)
    assert [type(value) for value in body["data"]["metadata"].values()] == [
        type(value) for value in metadata.values()
    ]
