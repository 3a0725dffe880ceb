"""The filter language: what is read, what is refused, and what passes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.json_values import JSON, SCALARS
from tocsin import filters
from tocsin.errors import FilterInvalid
from tocsin.events import Event
from tocsin.filters import compile_filters, parse

EVENT = Event(
    id="evt-1",
    source="/scanner/eu",
    type="drift.alert",
    time=datetime(2026, 4, 25, 14, 30, tzinfo=UTC),
    organization="acme",
    extensions={"environment": "production"},
)
DATA: dict[str, Any] = {
    "risk_level": "HIGH",
    "score": 85,
    "drift_score": 0.91,
    "whole": 85.0,
    "urgent": True,
    "nothing": None,
    "word": "null",
    "tags": ["pii", "eu", 7, None],
    "matrix": [[1, 2], [3]],
    "changes": [{"field": "a", "old": {"type": "int"}}, {"field": "b"}],
    "labels": {"team": "risk", "n": 3, "": "empty"},
    "moment": datetime(2026, 4, 25, 14, 30, tzinfo=UTC),
    "uuid": uuid.UUID("5f0c6e1a-2b3d-5c4e-9f10-213243546576"),
    "quoted": 'say "hi"',
    "bytes": b"raw",
}


def passes(*expressions: Any, event: Event = EVENT, data: Mapping[str, Any] = DATA) -> bool:
    return compile_filters(parse(list(expressions)))(event, data)


@pytest.mark.parametrize(
    ("dialect", "name", "text"),
    [
        ("exact", "type", "drift.alert"),
        ("prefix", "type", "drift."),
        ("suffix", "type", ".alert"),
        ("exact", "id", "evt-1"),
        ("suffix", "source", "/eu"),
        ("exact", "time", "2026-04-25T14:30:00Z"),
        ("prefix", "time", "2026-04-25"),
        ("exact", "organization", "acme"),
        ("exact", "specversion", "1.0"),
        ("prefix", "environment", "prod"),
        ("exact", "data.risk_level", "HIGH"),
        ("exact", "data.score", "85"),
        ("prefix", "data.score", "8"),
        ("exact", "data.drift_score", "0.91"),
        ("exact", "data.whole", "85.0"),
        ("exact", "data.urgent", "true"),
        ("exact", "data.word", "null"),
        ("exact", "data.tags", "eu"),
        ("exact", "data.tags", "7"),
        ("exact", "data.matrix", "3"),
        ("exact", "data.changes.field", "b"),
        ("exact", "data.changes.old.type", "int"),
        ("exact", "data.labels.team", "risk"),
        ("exact", "data.moment", "2026-04-25T14:30:00+00:00"),
        ("prefix", "data.uuid", "5f0c6e1a-"),
        ("exact", "data.quoted", 'say "hi"'),
    ],
)
def test_comparison_holds(dialect: str, name: str, text: str) -> None:
    """And its negation does not."""
    assert passes({dialect: {name: text}})
    assert not passes({"not": {dialect: {name: text}}})


@pytest.mark.parametrize(
    ("dialect", "name", "text"),
    [
        ("exact", "type", "drift"),
        ("exact", "type", "Drift.alert"),
        ("prefix", "type", "alert"),
        ("suffix", "type", "drift"),
        ("exact", "subject", "None"),  # the event has none
        ("exact", "tenant", "acme"),  # nor such an extension
        ("exact", "data.risk_level", "high"),
        ("exact", "data.score", "85.0"),
        ("exact", "data.whole", "85"),
        ("exact", "data.urgent", "True"),
        ("exact", "data.nothing", "null"),
        ("exact", "data.tags", "null"),
        ("exact", "data.absent", "null"),
        ("exact", "data.risk_level.deeper", "HIGH"),
        ("exact", "data.labels", "risk"),
        ("prefix", "data.labels", "{"),
        ("prefix", "data.tags", "["),
        ("exact", "data.tags.0", "pii"),
        ("exact", "data.quoted", '"say \\"hi\\""'),
        ("prefix", "data.bytes", "r"),
    ],
)
def test_comparison_does_not_hold(dialect: str, name: str, text: str) -> None:
    """And its negation does: what is null or absent compares with nothing."""
    assert not passes({dialect: {name: text}})
    assert passes({"not": {dialect: {name: text}}})


def test_every_pair_and_every_expression_must_hold() -> None:
    both = {"exact": {"type": "drift.alert", "data.risk_level": "HIGH"}}
    assert passes(both)
    assert not passes({"exact": {"type": "drift.alert", "data.risk_level": "LOW"}})
    assert passes(both, {"prefix": {"source": "/scanner"}})
    assert not passes(both, {"prefix": {"source": "/other"}})
    assert passes()


def test_nested_expressions_combine() -> None:
    wanted = {
        "any": [
            {"all": [{"exact": {"data.risk_level": "LOW"}}, {"exact": {"data.urgent": "true"}}]},
            {"not": {"any": [{"exact": {"type": "x"}}, {"suffix": {"source": "/us"}}]}},
        ]
    }
    assert passes(wanted)
    assert not passes(wanted, event=replace(EVENT, source="/scanner/us"))


LEAF = {"exact": {"type": "a"}}


def nested(levels: int) -> Any:
    made: Any = LEAF
    for _ in range(levels - 1):
        made = {"not": made}
    return made


@pytest.mark.parametrize(
    ("value", "field", "reason"),
    [
        ({}, "filters", "is not an array"),
        ([[]], "filters.0", "is not an object with one dialect: exact, prefix, suffix, all, any, not"),
        ([{}], "filters.0", "is not an object with one dialect"),
        ([LEAF | {"prefix": {"type": "a"}}], "filters.0", "is not an object with one dialect"),
        ([LEAF, {"sql": "1 = 1"}], "filters.1", "sql is not a dialect; there are exact, prefix"),
        ([{"exact": {}}], "filters.0.exact", "one or more names"),
        ([{"exact": "type"}], "filters.0.exact", "one or more names"),
        ([{"exact": {"type": ""}}], "filters.0.exact.type", "is empty"),
        ([{"exact": {"type": None}}], "filters.0.exact.type", "is not a string"),
        ([{"exact": {"data.n": 85}}], "filters.0.exact.data.n", 'is not a string: write it as text, "85"'),
        ([{"exact": {"data.n": True}}], "filters.0.exact.data.n", 'write it as text, "true"'),
        ([{"exact": {"data.n": "x" * 501}}], "filters.0.exact.data.n", "longer than 500"),
        ([{"exact": {"x" * 501: "a"}}], "filters.0.exact", "longer than 500"),
        ([{"exact": {"": "a"}}], "filters.0.exact", "'' is not the name of an attribute"),
        ([{"exact": {"Type": "a"}}], "filters.0.exact", "'Type' is not the name of an attribute"),
        ([{"exact": {"data": "a"}}], "filters.0.exact", "'data' is not"),
        ([{"exact": {"data.": "a"}}], "filters.0.exact", "'data.' is not"),
        ([{"exact": {"data.a..b": "a"}}], "filters.0.exact", "'data.a..b' is not"),
        ([{"exact": {"datacontenttype": "a"}}], "filters.0.exact", "is not the name of an attribute"),
        ([{"exact": {"a" * 21: "a"}}], "filters.0.exact", "is not the name of an attribute"),
        ([{"exact": {"\ud800": "a"}}], "filters.0.exact", "is not the name of an attribute"),
        ([{"exact": {"data.\ud800": "a"}}], "filters.0.exact", "half a surrogate pair"),
        ([{"exact": {"type": "\ud800"}}], "filters.0.exact.type", "half a surrogate pair"),
        ([{"all": []}], "filters.0.all", "one or more expressions"),
        ([{"any": LEAF}], "filters.0.any", "one or more expressions"),
        ([{"any": [LEAF, 7]}], "filters.0.any.1", "is not an object with one dialect"),
        ([{"not": [LEAF]}], "filters.0.not", "is not an object with one dialect"),
        ([nested(9)], "filters.0" + ".not" * 8, "nested deeper than 8"),
        ([LEAF] * 33, "filters.32", "at most 64"),
        ([{"exact": {f"data.{n}": "a" for n in range(64)}}], "filters.0.exact", "at most 64"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(value: Any, field: str, reason: str) -> None:
    with pytest.raises(FilterInvalid) as refused:
        parse(value)
    assert refused.value.field == field
    assert reason in refused.value.reason


def test_largest_filters_are_taken() -> None:
    assert passes(nested(8))
    parse([LEAF] * 32)
    parse([{"exact": {f"data.{n}": "x" * 500 for n in range(63)}}])


@pytest.mark.parametrize("text", ["", "{", "[", "[" * 5000, "7", "null", '[{"sql": ""}]'])
def test_text_that_holds_no_filters_is_refused(text: str) -> None:
    with pytest.raises(FilterInvalid):
        filters.predicate(text)


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
EVENT_DATA = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
NAMES = st.sampled_from(
    ["type", "subject", "env", "data.a", "data.b", "data.c", "data.a.b", "data.b.a", "data.c.a.b"]
)
TEXTS = st.sampled_from(["true", "false", "null", "0", "1", "1.0", "a", "", "drift", "drift.alert"]).filter(
    bool
)
LEAVES = st.builds(
    lambda dialect, pairs: {dialect: pairs},
    st.sampled_from(["exact", "prefix", "suffix"]),
    st.dictionaries(NAMES, TEXTS, min_size=1, max_size=2),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(
            lambda dialect, parts: {dialect: parts},
            st.sampled_from(["all", "any"]),
            st.lists(inner, min_size=1, max_size=3),
        )
        | st.builds(lambda part: {"not": part}, inner)
    ),
    max_leaves=6,
)
EVENTS = st.builds(
    replace,
    st.just(EVENT),
    type=st.sampled_from(["drift.alert", "drift", "a"]),
    subject=st.none() | st.sampled_from(["a", "true"]),
    extensions=st.dictionaries(st.just("env"), st.sampled_from(["a", "1"])),
)


def plainly(expression: Any, event: Event, data: Mapping[str, Any]) -> bool:
    """Evaluate one expression as its JSON stands, by way of the event's JSON."""
    ((dialect, content),) = expression.items()
    if dialect == "not":
        return not plainly(content, event, data)
    if dialect in ("all", "any"):
        results = [plainly(part, event, data) for part in content]
        return min(results) if dialect == "all" else max(results)
    cloud_event = {
        "type": event.type,
        "subject": event.subject,
        **event.extensions,
        "data": orjson.loads(orjson.dumps(data)),
    }
    for name, wanted in content.items():
        found = [cloud_event]
        for step in name.split("."):
            found = [inner[step] for each in found for inner in flat(each) if step in inner]
        texts = [scalar(each) for value in found for each in spread(value)]
        fits = {
            "exact": [text == wanted for text in texts],
            "prefix": [text[: len(wanted)] == wanted for text in texts],
            "suffix": [text[-len(wanted) :] == wanted for text in texts],
        }
        if True not in fits[dialect]:
            return False
    return True


def spread(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [inner for each in value for inner in spread(each)]
    return [] if value is None or isinstance(value, dict) else [value]


def flat(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [inner for each in value for inner in flat(each)]
    return [value] if isinstance(value, dict) else []


def scalar(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


@settings(deadline=None)
@given(st.lists(EXPRESSIONS, max_size=3), EVENTS, EVENT_DATA)
def test_compiled_filters_say_what_their_plain_reading_says(
    expressions: list[Any], event: Event, data: dict[str, Any]
) -> None:
    expected = all(plainly(expression, event, data) for expression in expressions)
    assert passes(*expressions, event=event, data=data) is expected
    assert filters.predicate(orjson.dumps(expressions).decode())(event, data) is expected


@settings(deadline=None)
@given(st.lists(EXPRESSIONS, min_size=1, max_size=3), EVENTS, EVENT_DATA)
def test_negation_turns_all_into_any_and_back(parts: list[Any], event: Event, data: dict[str, Any]) -> None:
    """De Morgan's laws, arrays and absent values included."""
    negated = [{"not": part} for part in parts]
    for one, other in (("all", "any"), ("any", "all")):
        expected = passes({"not": {one: parts}}, event=event, data=data)
        assert passes({other: negated}, event=event, data=data) is expected


@settings(deadline=None)
@given(JSON, EVENTS, EVENT_DATA)
def test_any_json_is_read_or_refused(value: Any, event: Event, data: dict[str, Any]) -> None:
    """Whatever was read then decides about any event."""
    try:
        predicate = compile_filters(parse(value))
    except FilterInvalid:
        return
    assert predicate(event, data) in (True, False)
