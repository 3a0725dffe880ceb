"""Which filters a webhook may have, and what is told of those it may not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from control import filters
from control.app import create_app
from control.data_paths import DeadEnd, follow
from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.calls import GOOD, PATH, as_key, change, create, stored
from tests.unit.control.world import MemoryStore, make_services
from tests.unit.json_values import JSON
from tocsin.wire.systems import System, Systems, load_systems

SYSTEMS = load_systems()
FILTERS: list[Any] = [{"exact": {"data.contract_id": "c-1"}}, {"not": {"prefix": {"source": "/test"}}}]


def told(system: System, events: list[str], expression: Any) -> str | None:
    """Return the one reason why an expression is refused; None if it is not."""
    found = list(filters.faults([expression], events, system))
    assert len(found) < 2
    return found[0].reason if found else None


@pytest.mark.parametrize(
    ("system", "events", "expression"),
    [
        ("governlayer", ["*"], {"exact": {"data.risk_level": "HIGH"}}),
        ("governlayer", ["*"], {"exact": {"type": "drift.alert"}}),
        ("governlayer", ["*"], {"prefix": {"type": "gov"}}),
        ("governlayer", ["*"], {"exact": {"anyextension": "x"}}),
        ("governlayer", ["*"], {"exact": {"tier": "x"}}),
        ("governlayer", ["*"], {"exact": {"data.requires_human_review": "true"}}),
        ("governlayer", ["*"], {"exact": {"data.drift_score": "0.5"}}),
        ("governlayer", ["*"], {"prefix": {"data.drift_score": "0.9"}}),
        ("governlayer", ["audit.*"], {"exact": {"data.frameworks": "SOC2"}}),
        ("compliancelayer", ["*"], {"exact": {"data.score": "85"}}),
        ("driftguard", ["breaking"], {"exact": {"data.changes.path": "email"}}),
        ("tork", ["*"], {"exact": {"data.metadata.anything": "7"}}),
        ("tork", ["*"], {"exact": {"data.metadata.any.thing": "true"}}),
        ("truthvouch", ["*"], {"exact": {"data.affected_resources.user_count": "7"}}),
        ("governlayer", ["endpoint.disabled"], {"exact": {"data.reason": "gone"}}),
    ],
)
def test_filter_that_can_tell_events_apart_is_taken(system: str, events: list[str], expression: Any) -> None:
    assert told(SYSTEMS[system], events, expression) is None
    assert told(SYSTEMS[system], events, {"any": [{"not": expression}]}) is None


@pytest.mark.parametrize(
    ("system", "events", "expression", "reason"),
    [
        (
            "governlayer",
            ["*"],
            {"exact": {"data.risklevel": "HIGH"}},
            "no event asked for has data.risklevel; did you mean data.risk_level?",
        ),
        (
            "governlayer",
            ["audit.*"],
            {"exact": {"data.drift_score": "0.5"}},
            "no event asked for has data.drift_score; did you mean data.risk_score?",
        ),
        (
            "driftguard",
            ["*"],
            {"exact": {"data.changes.knd.deeper": "x"}},
            "no event asked for has data.changes.knd; did you mean data.changes.kind?",
        ),
        (
            "governlayer",
            ["*"],
            {"exact": {"data.risk_level.deeper": "x"}},
            "no event asked for has data.risk_level.deeper",
        ),
        ("driftguard", ["*"], {"prefix": {"data.changes": "x"}}, "is an object; name something inside of it"),
        ("tork", ["*"], {"exact": {"data.metadata": "x"}}, "is an object; name something inside of it"),
        (
            "governlayer",
            ["*"],
            {"exact": {"type": "drift.alrt"}},
            "no event type asked for is drift.alrt; did you mean drift.alert?",
        ),
        (
            "governlayer",
            ["audit.*"],
            {"exact": {"type": "drift.alert"}},
            "no event type asked for is drift.alert",
        ),
        ("governlayer", ["*"], {"suffix": {"type": ".nope"}}, "no event type asked for ends with .nope"),
        (
            "governlayer",
            ["*"],
            {"exact": {"subjects": "x"}},
            "is not an attribute; did you mean subject?",
        ),
        (
            "governlayer",
            ["*"],
            {"exact": {"data.requires_human_review": "True"}},
            "is never True; it is true or false",
        ),
        (
            "governlayer",
            ["*"],
            {"exact": {"data.drift_score": "1"}},
            "is never 1; it is a number with a point, such as 0.5",
        ),
        ("compliancelayer", ["*"], {"exact": {"data.score": "85.0"}}, "is never 85.0; it is a whole number"),
        ("compliancelayer", ["*"], {"exact": {"data.score": "[85]"}}, "is never [85]; it is a whole number"),
    ],
)
def test_filter_that_no_event_can_pass_is_refused(
    system: str, events: list[str], expression: Any, reason: str
) -> None:
    """Wherever it stands: below a `not` it would let everything through, which nobody means either."""
    assert told(SYSTEMS[system], events, expression) == reason
    assert told(SYSTEMS[system], events, {"all": [{"not": expression}]}) == reason


def test_every_fault_is_named_with_its_place() -> None:
    asked = [{"exact": {"data.nope": "x", "type": "nope"}}, {"any": [{"not": {"suffix": {"type": "?"}}}]}]
    fields = [fault.field for fault in filters.faults(asked, ["*"], SYSTEMS["tork"])]
    assert fields == ["filters.0.exact.data.nope", "filters.0.exact.type", "filters.1.any.0.not.suffix.type"]


SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Whole",
    "fields": [
        {"name": "first", "type": ["null", {"type": "record", "name": "Part", "fields": [
            {"name": "leaf", "type": "string"},
            {"name": "again", "type": ["null", "tocsin.Part"]},
        ]}]},
        {"name": "second", "type": {"type": "array", "items": {"type": "array", "items": "Part"}}},
        {"name": "level", "type": {"type": "enum", "name": "Level", "symbols": ["LOW", "HIGH"]}},
        {"name": "other", "type": {"type": "map", "values": "Level"}},
        {"name": "self", "type": ["null", "Whole"]},
        {"name": "moment", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("first.leaf", "string"),
        ("first.again.again.leaf", "string"),
        ("second.leaf", "string"),
        ("level", "enum"),
        ("other.anything", "enum"),
        ("self.self.level", "enum"),
        ("self", "record"),
        ("moment", "long"),
    ],
)
def test_path_leads_through_optional_fields_arrays_and_names_of_types(path: str, kind: str) -> None:
    ends = follow(SCHEMA, path.split("."))
    assert not isinstance(ends, DeadEnd)
    assert [each["type"] for each in ends] == [kind]


def test_path_that_leads_nowhere_says_how_far_it_leads() -> None:
    assert follow(SCHEMA, ["self", "first", "x"]) == DeadEnd(("self", "first"), frozenset({"leaf", "again"}))
    assert follow(SCHEMA, ["level", "x"]) == DeadEnd(("level",), frozenset())


def test_filters_are_shown_as_they_were_asked_for(api: TestClient, directory: Directory) -> None:
    made = create(api, filters=FILTERS)
    assert made["filters"] == FILTERS
    assert api.get(f"{PATH}/{made['id']}", headers=as_key(world.READER)).json()["filters"] == FILTERS
    assert json.loads(stored(directory, made["id"]).filters or "") == FILTERS
    assert create(api)["filters"] == []


def test_change_puts_filters_in_the_place_of_those_before(api: TestClient, directory: Directory) -> None:
    """A version more, and the generation as it was: nothing was switched or redirected."""
    made = create(api, filters=FILTERS)
    assert change(api, made["id"], description="x").json()["filters"] == FILTERS
    assert change(api, made["id"], filters=FILTERS[:1]).json()["filters"] == FILTERS[:1]
    answer = change(api, made["id"], filters=[]).json()
    assert (answer["filters"], answer["version"]) == ([], 4)
    now = stored(directory, made["id"])
    assert (now.filters, now.generation) == (None, 1)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (None, "filters"),
        ({}, "filters"),
        ([7], "filters.0"),
        ([{"exact": {"data.contract": "x"}}], "filters.0.exact.data.contract"),
    ],
)
def test_bad_filters_are_400_when_made_and_when_changed(
    api: TestClient, directory: Directory, asked: Any, field: str
) -> None:
    made = create(api)
    refused = api.post(PATH, json={**GOOD, "filters": asked}, headers=as_key(world.MANAGER))
    for answer in (refused, change(api, made["id"], filters=asked)):
        assert answer.status_code == 400, answer.text
        assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert stored(directory, made["id"]).version == 1


def test_misspelt_event_is_told_without_what_filters_ask_of_it(api: TestClient) -> None:
    body = {**GOOD, "events": ["drift.alrt"], "filters": [{"exact": {"type": "drift.alert"}}]}
    answer = api.post(PATH, json=body, headers=as_key(world.MANAGER))
    assert [fault["field"] for fault in answer.json()["errors"]] == ["events.0"]


def test_events_changed_away_from_the_filters_are_refused(api: TestClient) -> None:
    """Else the webhook would stay silent from now on."""
    made = create(api, events=["drift.*"], filters=[{"exact": {"type": "drift.alert"}}])
    answer = change(api, made["id"], events=["pass"])
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"field": "filters.0.exact.type", "reason": "no event type asked for is drift.alert"}
    ]
    assert change(api, made["id"], events=["pass"], filters=[]).status_code == 200


def test_filters_changed_away_from_the_events_are_refused(api: TestClient) -> None:
    made = create(api, events=["pass"])
    answer = change(api, made["id"], filters=[{"exact": {"type": "drift.alert"}}])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "filters.0.exact.type")


@pytest.mark.parametrize(
    ("text", "shown"), [("no JSON", ["no JSON"]), ("7", [7]), ('[{"sql": ""}]', [{"sql": ""}])]
)
def test_filters_written_past_the_api_are_shown_and_can_be_mended(
    api: TestClient, directory: Directory, text: str, shown: list[Any]
) -> None:
    made = create(api)
    directory.update(made["id"], replace(stored(directory, made["id"]), filters=text))
    assert api.get(f"{PATH}/{made['id']}", headers=as_key(world.READER)).json()["filters"] == shown
    assert change(api, made["id"], events=["pass"]).status_code == 400
    assert change(api, made["id"], filters=FILTERS).status_code == 200


def test_half_a_surrogate_pair_is_400(api: TestClient) -> None:
    body = json.dumps({**GOOD, "filters": [{"exact": {"source": "\ud800"}}]})
    answer = api.post(PATH, content=body, headers=as_key(world.MANAGER))
    assert answer.status_code == 400


@pytest.fixture(scope="module")
def lasting(systems: Systems) -> TestClient:
    """An API that all examples of a law ask."""
    directory = Directory()
    return TestClient(create_app(make_services(systems, directory, MemoryStore(directory))))


@settings(max_examples=50, deadline=None)
@given(asked=st.lists(JSON, max_size=3) | JSON)
def test_any_filters_are_made_or_refused(lasting: TestClient, asked: Any) -> None:
    """Never a failure of ours; what was made is shown as it was asked for."""
    answer = lasting.post(PATH, json={**GOOD, "filters": asked}, headers=as_key(world.MANAGER))
    assert answer.status_code in (201, 400), answer.text
    if answer.status_code == 201:
        assert answer.json()["filters"] == asked
    else:
        assert all(fault["field"].startswith("filters") for fault in answer.json()["errors"])


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            lambda dialect, name, text: {dialect: {name: text}},
            st.sampled_from(["exact", "prefix", "suffix"]),
            st.text(min_size=1, max_size=4).map(lambda path: f"data.{path}")
            | st.sampled_from(["data.score", "type"]),
            st.text(min_size=1, max_size=4),
        ),
        max_size=3,
    )
)
def test_any_path_is_judged(asked: list[Any]) -> None:
    for system in SYSTEMS.values():
        list(filters.faults(asked, ["*"], system))
