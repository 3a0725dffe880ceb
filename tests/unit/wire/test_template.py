"""The template language: what it makes, what it leaves out, and what it refuses when it is read."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.wire.samples import DELIVERY, an_event
from tocsin.errors import RenderError
from tocsin.wire.rendering import EventFacts
from tocsin.wire.template import TemplateInvalid, compile_value
from tocsin.wire.template_filters import mrkdwn, percent

EVENT = an_event("tork", "policy.violation", attributes={"environment": "staging"})
DATA: dict[str, Any] = {"severity": "HIGH", "count": 3, "inner": {"list": [1, 2.5]}, "flag": True}
MAPS = {"level": {"high": "error", "*": "other"}, "closed": {"high": "error"}}


def _value(node: Any, event: EventFacts = EVENT) -> Any:
    return compile_value(node, "body", MAPS).get(event, DATA, DELIVERY)


VALUES: list[tuple[Any, Any]] = [
    ("plain", "plain"),
    (7, 7),
    (False, False),
    ("${event.data}", DATA),
    ("${event.data.count}", 3),
    ("${event.data.inner.list}", [1, 2.5]),
    ("${event.data.inner.missing}", None),
    ("${event.data.severity.deeper}", None),
    ("${event.subject}", None),
    ("${event.subject,event.data.missing,event.id}", "evt-1"),
    ("${event.data.count,event.id}", 3),
    ("${event.subject|default:none}", "none"),
    ("${event.attributes.environment|default:production}", "staging"),
    ("a ${event.type} b ${event.data.count} ${event.data.flag}", "a policy.violation b 3 true"),
    ("wh_${delivery.hex}", "wh_5d9e2c1a7b345f608a913c4d5e6f7081"),
    ("${delivery.id}", "5d9e2c1a-7b34-5f60-8a91-3c4d5e6f7081"),
    ("${subscription.id}", "wh_1"),
    ("${event.time|rfc3339}", "2026-04-25T14:30:00.123456Z"),
    ("${event.time|rfc3339_s}", "2026-04-25T14:30:00Z"),
    ("${event.time|rfc3339_ms}", "2026-04-25T14:30:00.123Z"),
    ("${event.time|unix}", 1777127400),
    ("${event.data.severity|map:level}", "error"),
    ("${event.type|map:level}", "other"),
    ("${event.type|map:closed}", None),
    ("${event.type | bounded:7 }", "policy…"),
    ("${event.data.inner|mrkdwn:100}", "*list*: [1,2.5]"),
    ({"b": 1, "a": "${event.subject}", "c": "${event.type}"}, {"b": 1, "c": "policy.violation"}),
    ({"first": 1, "...": "${event.data.inner}"}, None),
    (["${event.id}", "${event.subject}", {"x": 1}], ["evt-1", {"x": 1}]),
]


@pytest.mark.parametrize(
    ("node", "expected"), [pair for pair in VALUES if pair[1] is not None or isinstance(pair[0], str)]
)
def test_value_is_what_the_template_says(node: Any, expected: Any) -> None:
    """Whole expressions keep their type, what has no value is left out."""
    assert _value(node) == expected


def test_spread_keeps_the_order_of_envelope_and_data() -> None:
    """A flat payload: envelope, then the event's fields, then what follows."""
    made = _value({"type": "${event.type}", "...": "${event.data}", "last": 1})
    assert list(made) == ["type", "severity", "count", "inner", "flag", "last"]


@pytest.mark.parametrize("node", [{"count": 1, "...": "${event.data}"}, {"...": "${event.data}", "count": 1}])
def test_field_that_would_stand_twice_is_an_error(node: dict[str, Any]) -> None:
    """Neither silently wins."""
    with pytest.raises(RenderError, match="'count' would stand twice"):
        _value(node)


def test_interpolated_name_without_value_is_an_error() -> None:
    """Half a text is no text."""
    with pytest.raises(RenderError, match=r"event\.subject has no value"):
        _value("about ${event.subject}")


REFUSED: list[tuple[Any, str, str]] = [
    ("${event.nope}", "body", "unknown name 'event.nope'"),
    ("${}", "body", "unknown name ''"),
    ("${event.data.}", "body", "unknown name"),
    ("${event.data..x}", "body", "unknown name"),
    ("${event.id|shout}", "body", "unknown filter 'shout'"),
    ("${event.id|rfc3339}", "body", "can't take text"),
    ("${event.time}", "body", "needs a filter"),
    ("at ${event.time}", "body", "needs a filter"),
    ("${event.time|default:x}", "body", "can't take time"),
    ("x ${event.data}", "body", "inside other text"),
    ("${event.id", "body", "without its '}'"),
    ("${event.id|uuid:4}", "body", "takes no argument"),
    ("${event.id|bounded}", "body", "needs a number"),
    ("${event.id|bounded:0}", "body", "needs a number"),
    ("${event.id|default}", "body", "needs a value"),
    ("${event.id|map:nowhere}", "body", "'nowhere', which is not"),
    ("${event.id|prefixed:EVT}", "body", "needs a prefix"),
    ({"a": {"b": ["${event.nope}"]}}, "body.a.b.0", "unknown name"),
    ({"...": "${event.id}"}, "body....", "only an object"),
    ({"a": datetime(2026, 1, 1)}, "body.a", "datetime has no place"),
]


@pytest.mark.parametrize(("node", "key", "reason"), REFUSED)
def test_template_that_can_never_work_is_refused_when_read(node: Any, key: str, reason: str) -> None:
    """The error names the place and what is wrong."""
    with pytest.raises(TemplateInvalid) as raised:
        compile_value(node, "body", MAPS)
    assert raised.value.key == key
    assert reason in raised.value.reason


@pytest.mark.parametrize(
    ("node", "uses"),
    [
        ("${event.id}", False),
        ("${delivery.hex}", True),
        ("x ${subscription.id}", True),
        ({"a": [{"b": "${delivery.number}"}]}, True),
        ({"...": "${event.data}"}, False),
        ("${event.subject,delivery.id|default:x}", True),
    ],
)
def test_dependence_on_the_delivery_is_known_beforehand(node: Any, uses: bool) -> None:
    """The router renders once for all subscriptions where it may."""
    assert compile_value(node, "body", MAPS).uses_delivery is uses


def test_number_of_a_delivery_is_exact_in_javascript() -> None:
    """53 bits, the same each time."""
    number = _value("${delivery.number}")
    assert number == _value("${delivery.number}")
    assert 0 < number < 2**53
    assert int(float(number)) == number


UUID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    ("id", "template", "expected"),
    [
        (UUID, "${event.id|uuid}", UUID),
        (UUID.replace("-", ""), "${event.id|uuid}", UUID),
        ("evt_abc123def456", "${event.id|prefixed:evt_}", "evt_abc123def456"),
        (UUID, "${event.id|prefixed:evt_}", f"evt_{UUID.replace('-', '')}"),
    ],
)
def test_id_that_has_the_documented_shape_is_kept(id: str, template: str, expected: str) -> None:
    """And another spelling of a UUID becomes the usual one."""
    assert _value(template, an_event("s", "t", id=id)) == expected


@pytest.mark.parametrize("template", ["${event.id|uuid}", "${event.id|prefixed:evt_}"])
def test_derived_id_is_stable_and_differs_with_the_source(template: str) -> None:
    """Ids are unique within source and type only; receivers compare them over all."""
    made = [
        _value(template, an_event("s", type, id="evt_ 1", source=source))
        for source, type in (("/a", "t"), ("/a", "t"), ("/b", "t"), ("/a", "u"))
    ]
    assert made[0] == made[1]
    assert len(set(made)) == 3


@given(st.text(max_size=200), st.integers(2, 150))
def test_slack_text_is_bounded_and_holds_no_markup(text: str, limit: int) -> None:
    """No value can mention a channel or forge a link; no entity is cut."""
    made = mrkdwn(text, limit)
    assert len(made) <= limit
    assert "<" not in made
    assert ">" not in made
    rest = made
    for entity in ("&amp;", "&lt;", "&gt;"):
        rest = rest.replace(entity, "")
    assert "&" not in rest


@given(
    st.dictionaries(
        st.text(max_size=150),
        st.text(max_size=700) | st.integers(-(2**63), 2**63 - 1) | st.none(),
        max_size=20,
    ),
    st.integers(100, 3000),
)
def test_slack_fields_are_bounded(fields: dict[str, Any], limit: int) -> None:
    """A section takes 3,000 characters; what does not fit is left out, visibly."""
    made = mrkdwn(fields, limit)
    assert 0 < len(made) <= limit
    assert made.count("\n") <= len(fields)


@given(st.text())
def test_percent_encoding_is_printable_and_can_be_undone(text: str) -> None:
    """As the CloudEvents binding says: space, quote, percent and everything outside printable ASCII."""
    made = percent(text.encode("utf-8", "replace").decode())
    assert all("!" <= character <= "~" and character != '"' for character in made)
    assert unquote(made) == text.encode("utf-8", "replace").decode()
