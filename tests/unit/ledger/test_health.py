"""When an endpoint is disabled, attempt by attempt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.ledger.health import FEW, PROBE_SOURCE, Change, Policy, State, Try, read, step
from tocsin.kafka import pipeline

POLICY: Final = Policy(in_a_row={"strict": 3}, failing_ms=100_000)
NEVER: Final = Policy(in_a_row={}, failing_ms=1 << 60)


def attempt(began: int, ended: int, status: int | None = 500, **changes: Any) -> Try:
    """Return an attempt of generation 1 of a subscription of the system `strict`; 2xx is a success."""
    delivered = status is not None and status < 300
    made = Try(
        subscription_id="wh_1",
        organization="acme",
        system="strict",
        generation=1,
        run="0",
        is_test=False,
        is_probe=False,
        delivered=delivered,
        started_at=began,
        ended_at=ended,
        url="https://example.com/",
        status=status,
        error=None if delivered else f"HTTP {status}",
    )
    return made._replace(**changes)


def after(attempts: Sequence[Try], policy: Policy = POLICY) -> tuple[State, list[Change]]:
    """Return what is known after attempts, and what was announced meanwhile."""
    state: State | None = None
    changes = []
    for each in attempts:
        state, change = step(state, each, policy)
        changes += [change] if change is not None else []
    assert state is not None
    return state, changes


def apart(count: int, status: int | None = 500, began: int = 0, **changes: Any) -> list[Try]:
    """Return attempts one after another, 10 ms each, 10 ms apart."""
    return [attempt(began + 20 * n, began + 20 * n + 10, status, **changes) for n in range(count)]


def test_endpoint_is_disabled_by_the_last_failure_its_system_allows() -> None:
    state, changes = after(apart(2))
    assert (state.consecutive_failures, changes) == (2, [])
    state, (change,) = after(apart(3))
    found = change.health
    assert (state.disabled_at, state.disabled_reason) == (50, "consecutive_failures")
    assert (found.disabled, found.generation, found.since_ms, found.failing_since_ms) == (True, 1, 50, 0)
    assert (found.consecutive_failures, found.last_status, found.last_error) == (3, 500, "HTTP 500")
    assert (change.system, change.url) == ("strict", "https://example.com/")


def test_what_fails_in_flight_together_is_one_failure() -> None:
    """Ten requests that were open when the endpoint went down say no more than one."""
    state, changes = after([attempt(n, 100 + n) for n in range(10)])
    assert (state.consecutive_failures, state.counted_end, changes) == (1, 100, [])


def test_failure_counts_from_the_millisecond_after_the_last_counted_one_ended() -> None:
    assert after([attempt(0, 10), attempt(10, 20)])[0].consecutive_failures == 1
    assert after([attempt(0, 10), attempt(11, 20)])[0].consecutive_failures == 2


@pytest.mark.parametrize(
    "heals",
    [attempt(41, 50, 204), attempt(41, 50, 200, is_test=True), attempt(41, 50, 200, run="job-1")],
    ids=["live", "test", "replay"],
)
def test_success_of_any_kind_ends_the_row(heals: Try) -> None:
    state, changes = after([*apart(2), heals, *apart(2, began=60)])
    assert (state.consecutive_failures, state.failing_since, changes) == (2, 60, [])
    assert state.last_success_at == 50


def test_failure_that_was_in_flight_while_another_succeeded_does_not_count() -> None:
    state, _ = after([attempt(0, 10, 200), attempt(5, 30)])
    assert (state.consecutive_failures, state.last_failure_at) == (0, 30)


@pytest.mark.parametrize(
    "changes", [{"run": "job-1"}, {"is_test": True}, {"is_test": True, "is_probe": True}], ids=str
)
def test_failures_of_replays_and_tests_disable_nobody(changes: dict[str, Any]) -> None:
    state, announced = after(apart(10, **changes))
    assert (state.consecutive_failures, announced) == (0, [])


@pytest.mark.parametrize(
    ("given_", "disabled"),
    [
        ({}, True),
        ({"run": "job-1"}, True),
        ({"system": "without a rule"}, True),
        ({"is_test": True}, False),
    ],
    ids=str,
)
def test_410_disables_at_once_unless_a_test_met_it(given_: dict[str, Any], disabled: bool) -> None:
    state, changes = after([attempt(0, 10, 410, **given_)])
    assert [change.health.reason for change in changes] == (["gone"] if disabled else [])
    assert (state.disabled_reason == "gone") == disabled


@pytest.mark.parametrize(
    ("count", "lasting_ms", "disabled"),
    [
        (FEW, 100_000, True),
        (FEW, 99_999, False),
        (FEW - 1, 200_000, False),
    ],
)
def test_endpoint_without_a_rule_of_its_system_is_disabled_by_time(
    count: int, lasting_ms: int, disabled: bool
) -> None:
    """Not by a few events that are days apart, and not by many within a day."""
    attempts = [*apart(count - 1, system="lenient"), attempt(lasting_ms - 10, lasting_ms, system="lenient")]
    _, changes = after(attempts)
    assert [change.health.reason for change in changes] == (["failing_too_long"] if disabled else [])


def test_disabled_endpoint_stays_disabled_and_is_announced_once() -> None:
    """What was in flight still ends, and replays and tests still go out: none of it enables."""
    later = [
        attempt(100, 110),
        attempt(120, 130, 200),
        attempt(140, 150, 200, is_test=True),
        attempt(160, 170, 410),
    ]
    state, changes = after([*apart(3), *later])
    assert (len(changes), state.disabled_reason, state.disabled_at) == (1, "consecutive_failures", 50)
    assert (state.last_success_at, state.last_failure_at) == (150, 170)


def test_later_generation_begins_anew_and_earlier_ones_are_not_heard_any_more() -> None:
    state, changes = after([*apart(3), *apart(2, began=100, generation=2), *apart(9, began=200)])
    assert (state.generation, state.consecutive_failures, state.disabled_at) == (2, 2, None)
    assert len(changes) == 1
    _, changes = after([*apart(3), *apart(3, began=100, generation=2)])
    assert [change.health.generation for change in changes] == [1, 2]


@pytest.mark.parametrize(("status", "enabled"), [(500, True), (410, False)])
def test_success_of_a_probe_enables_unless_the_endpoint_said_gone(status: int, enabled: bool) -> None:
    probe = attempt(100, 110, 200, is_test=True, is_probe=True)
    state, changes = after([*apart(3, status), probe])
    assert (state.disabled_at is None) == enabled
    assert [change.health.disabled for change in changes] == ([True, False] if enabled else [True])
    if enabled:
        found = changes[-1].health
        assert (found.generation, found.reason, found.since_ms) == (1, None, 110)
        assert (state.consecutive_failures, state.last_error) == (0, None)


def test_generation_that_a_probe_enabled_may_be_disabled_again() -> None:
    probe = attempt(100, 110, 200, is_test=True, is_probe=True)
    _, changes = after([*apart(3), probe, *apart(3, began=200)])
    assert [change.health.disabled for change in changes] == [True, False, True]


ATTEMPTS = st.builds(
    lambda began, lasting, status, generation, run, test, probe: attempt(
        began,
        began + lasting,
        status,
        generation=generation,
        run=run,
        is_test=test or probe,
        is_probe=probe,
    ),
    st.integers(0, 300),
    st.integers(0, 50),
    st.sampled_from([200, 204, 410, 500, None]),
    st.integers(1, 3),
    st.sampled_from(["0", "0", "job-1"]),
    st.sampled_from([False, False, True]),
    st.sampled_from([False, False, True]),
)


@given(st.lists(ATTEMPTS, min_size=1, max_size=60))
def test_announcements_tell_exactly_what_the_state_says(attempts: list[Try]) -> None:
    """Whoever reads the table knows as much as the ledger: the newest record of the current generation."""
    state, changes = after(attempts)
    told = [change.health for change in changes]
    generations = [health.generation for health in told]
    assert generations == sorted(generations)
    of_this = [health for health in told if health.generation == state.generation]
    assert [health.disabled for health in of_this] == [n % 2 == 0 for n in range(len(of_this))]
    assert (state.disabled_at is not None) == bool(of_this and of_this[-1].disabled)
    if state.disabled_at is not None:
        assert (of_this[-1].reason, of_this[-1].since_ms) == (state.disabled_reason, state.disabled_at)


@given(st.lists(ATTEMPTS, min_size=1, max_size=60))
def test_row_is_a_chain_of_live_failures_each_begun_after_the_one_before_had_ended(
    attempts: list[Try],
) -> None:
    """Against a plain reckoning of one generation without probes."""
    of_one = [each._replace(generation=1, is_probe=False, system="lenient") for each in attempts]
    of_one = [each for each in of_one if each.status != 410]
    row, end = 0, -1
    for each in of_one:
        if each.delivered:
            row, end = 0, max(end, each.ended_at)
        elif not each.is_test and each.run == "0" and each.started_at > end:
            row, end = row + 1, each.ended_at
    if of_one:
        assert after(of_one, NEVER)[0].consecutive_failures == row


@given(st.lists(ATTEMPTS, min_size=1, max_size=40), st.integers(0, 40))
def test_rebuilt_from_the_beginning_the_state_is_the_same(attempts: list[Try], at: int) -> None:
    """Taken up again from the state in the middle, as after a crash."""
    state, _ = after(attempts)
    middle: State | None = after(attempts[:at])[0] if attempts[:at] else None
    for each in attempts[at:]:
        middle, _ = step(middle, each, POLICY)
    assert middle == state


def record(**changes: Any) -> dict[str, Any]:
    """Return an attempt record, its fields at their defaults but for what is given."""
    fields = {field["name"]: field.get("default") for field in pipeline.schema("attempt")["fields"]}
    told = {
        "subscription_id": "wh_1",
        "organization": "acme",
        "system": "strict",
        "subscription_generation": 4,
        "run": "0",
        "event_source": "/x",
        "verdict": "retry",
        "fault": "subscriber",
        "started_at": 1_000,
        "duration_ms": 12.25,
        "posted": True,
        "url": "https://example.com/",
        "status": 503,
        "error": "HTTP 503",
    }
    return fields | told | changes


def test_attempt_record_is_read_as_a_try() -> None:
    assert read(record()) == attempt(1_000, 1_013, 503, generation=4)
    delivered = read(record(verdict="delivered", status=200, fault=None, error=None))
    assert delivered == attempt(1_000, 1_013, 200, generation=4)


@pytest.mark.parametrize(
    "changes",
    [
        {"posted": False, "verdict": "dead_letter", "reason": "disabled"},
        {"posted": False, "verdict": "parked"},
        {"verdict": "parked", "fault": "tocsin"},
        {"verdict": "interrupted", "fault": "tocsin"},
        {"verdict": "retry", "fault": "tocsin"},
        {"duration_ms": math.nan},
        {"duration_ms": math.inf},
        {"started_at": 1 << 62},
    ],
    ids=["refused", "parked", "our own outage", "interrupted", "our own fault", "nan", "endless", "no year"],
)
def test_what_the_endpoint_has_nothing_to_do_with_tells_nothing(changes: dict[str, Any]) -> None:
    assert read(record(**changes)) is None


def test_probe_is_a_test_from_the_probes_source_and_nothing_that_somebody_published() -> None:
    ours = read(record(test=True, event_source=PROBE_SOURCE))
    theirs = read(record(test=False, event_source=PROBE_SOURCE))
    assert ours is not None
    assert (ours.is_test, ours.is_probe) == (True, True)
    assert theirs is not None
    assert (theirs.is_test, theirs.is_probe) == (False, False)
