"""Which subscriptions an event is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events import Event
from tocsin.matching import Index
from tocsin.subscriptions import Subscription

TYPES = ("drift.alert", "drift.resolved", "driftless", "scan.completed", "scan.failed")
EVENT_TYPES = {"one": TYPES, "two": ("drift.alert",)}


def subscription(name: str, *event_types: str, **fields: Any) -> Subscription:
    """Return a subscription of organization `acme` to system `one`."""
    made = Subscription(
        id=name,
        organization="acme",
        system="one",
        url="https://example.com/",
        event_types=event_types,
        created_at=0,
        updated_at=0,
        effective_at=0,
    )
    return replace(made, **fields)


def event(event_type: str = "drift.alert", organization: str = "acme") -> Event:
    return Event("1", "/source", event_type, datetime(2026, 1, 1, tzinfo=UTC), organization)


def index(*subscriptions: Subscription) -> Index:
    made = Index(EVENT_TYPES)
    for each in subscriptions:
        made.update(each.id, each)
    return made


def matched(
    found: Index,
    event_type: str = "drift.alert",
    data: Mapping[str, Any] | None = None,
    organization: str = "acme",
    system: str = "one",
) -> set[str]:
    match = found.match(event(event_type, organization), system, data or {})
    assert not match.undecided
    return {each.id for each in match.subscriptions}


def test_event_reaches_nobody_of_another_organization_or_system() -> None:
    found = index(
        subscription("mine", "*"),
        subscription("theirs", "*", organization="umbrella"),
        subscription("other", "*", system="two"),
    )
    assert matched(found) == {"mine"}
    assert matched(found, organization="umbrella") == {"theirs"}
    assert matched(found, system="two") == {"other"}
    assert matched(found, organization="ACME") == set()


def test_inactive_subscription_gets_nothing_until_it_is_active_again() -> None:
    found = index(subscription("a", "*", active=False))
    assert matched(found) == set()
    found.update("a", subscription("a", "*"))
    assert matched(found) == {"a"}


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({}, {"all"}),
        ({"contract_id": "c1"}, {"all", "c1"}),
        ({"contract_id": "c1", "region": "eu"}, {"all", "c1", "c1 in eu"}),
        ({"contract_id": "C1"}, {"all"}),
        ({"contract_id": None}, {"all"}),
        ({"contract_id": {"a": 1}}, {"all"}),
        ({"region": "eu"}, {"all"}),
        ({"number": 7}, {"all", "seventh"}),
        ({"number": 7.0}, {"all"}),
        ({"urgent": True}, {"all", "urgent"}),
        ({"urgent": "True"}, {"all"}),
    ],
)
def test_scope_limits_a_subscription_to_data_that_is_equal(data: Mapping[str, Any], wanted: set[str]) -> None:
    found = index(
        subscription("all", "*"),
        subscription("c1", "*", scope={"contract_id": "c1"}),
        subscription("c1 in eu", "*", scope={"region": "eu", "contract_id": "c1"}),
        subscription("seventh", "*", scope={"number": "7"}),
        subscription("urgent", "*", scope={"urgent": "true"}),
    )
    assert matched(found, data=data) == wanted


HIGH = '[{"exact": {"data.risk": "HIGH"}}]'


def test_filters_choose_among_what_a_subscription_asks_for() -> None:
    found = index(
        subscription("all", "*"),
        subscription("high", "*", filters=HIGH),
        subscription("high in eu", "*", filters=HIGH, scope={"region": "eu"}),
        subscription("high scan", "scan.*", filters=HIGH),
        subscription("nothing", "*", filters='[{"exact": {"type": "scan.failed"}}]'),
    )
    assert matched(found, data={"risk": "HIGH"}) == {"all", "high"}
    assert matched(found, data={"risk": "HIGH", "region": "eu"}) == {"all", "high", "high in eu"}
    assert matched(found, data={"risk": "LOW", "region": "eu"}) == {"all"}
    assert matched(found, "scan.failed", {"risk": "HIGH"}) == {"all", "high", "high scan", "nothing"}


def test_changed_filters_take_the_place_of_the_older() -> None:
    found = index(subscription("a", "*", filters=HIGH))
    assert matched(found) == set()
    found.update("a", subscription("a", "*", version=2))
    assert matched(found) == {"a"}
    found.update("a", subscription("a", "*", filters=HIGH, version=3))
    assert matched(found) == set()


@pytest.mark.parametrize("text", ["", "no JSON", "[[]]", '[{"sql": "1 = 1"}]', "[" * 5000])
def test_filters_that_cannot_be_read_leave_it_undecided_for_whom_an_event_is(text: str) -> None:
    """Somebody wrote them past the API: to deliver would be a guess, and to pass over a loss."""
    found = index(subscription("broken", "drift.*", filters=text), subscription("sound", "*"))
    match = found.match(event(), "one", {})
    assert [each.id for each in match.subscriptions] == ["sound"]
    assert list(match.undecided) == ["broken"]
    assert match.undecided["broken"].startswith("filters")
    assert matched(found, "scan.failed") == {"sound"}
    found.update("broken", subscription("broken", "drift.*"))
    assert matched(found) == {"broken", "sound"}


def test_newest_version_takes_the_place_of_the_older() -> None:
    found = index(subscription("a", "drift.*", scope={"contract_id": "c1"}, offset=1))
    found.update("a", subscription("a", "drift.alert", offset=2))
    (match,) = found.match(event(), "one", {}).subscriptions
    assert match.offset == 2
    assert matched(found, "drift.resolved", {"contract_id": "c1"}) == set()


def test_what_was_removed_leaves_nothing_behind() -> None:
    """Subscriptions that come and go for years must not fill the memory."""
    found = index(
        *(subscription(str(n), "*", scope={"contract_id": str(n)}, filters=HIGH) for n in range(10))
    )
    for number in range(10):
        found.update(str(number), None)
    found.update("never known", None)
    assert len(found) == 0
    assert (found._wanting, found._filters) == ({}, {})


CHANGES = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.none()
        | st.builds(
            subscription,
            st.just("x"),
            st.sampled_from(["*", "drift.*", "drift.alert", "scan.failed"]),
            active=st.booleans(),
            organization=st.sampled_from(["acme", "umbrella"]),
            scope=st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from("12")),
            filters=st.sampled_from([None, '[{"exact": {"data.p": "1"}}]']),
        ),
    )
)


@given(CHANGES, st.sampled_from(TYPES), st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from("12")))
def test_match_is_what_looking_at_every_subscription_finds(
    changes: list[tuple[str, Subscription | None]], event_type: str, data: dict[str, str]
) -> None:
    """The index is a faster way to the answer of the plain search, after any changes in any order."""
    found, rows = Index(EVENT_TYPES), dict[str, Subscription]()
    for name, changed in changes:
        row = replace(changed, id=name) if changed is not None else None
        found.update(name, row)
        if row is None:
            rows.pop(name, None)
        else:
            rows[name] = row
    expected = {
        row.id
        for row in rows.values()
        if row.active
        and row.organization == "acme"
        and any(fnmatchcase(event_type, pattern) for pattern in row.event_types)
        and all(data.get(key) == value for key, value in row.scope.items())
        and (row.filters is None or data.get("p") == "1")
    }
    assert matched(found, event_type, data) == expected


def test_notice_goes_to_those_who_name_it_whatever_their_scope() -> None:
    """Its data has no scope to ask for; and who asks for everything gets what the system documents."""
    found = Index(EVENT_TYPES, ["endpoint.disabled"])
    for asking in (
        subscription("all", "*"),
        subscription("named", "endpoint.disabled"),
        subscription("family", "endpoint.*", "drift.*"),
        subscription("scoped", "endpoint.*", "drift.*", scope={"contract_id": "c-1"}),
        subscription("theirs", "endpoint.*", organization="umbrella"),
    ):
        found.update(asking.id, asking)
    assert matched(found, "endpoint.disabled") == {"named", "family", "scoped"}
    assert matched(found) == {"all", "family"}
    for each in ("all", "named", "family", "scoped", "theirs"):
        found.update(each, None)
    assert matched(found, "endpoint.disabled") == set()
