"""The breaker tells our own outage from theirs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.delivery.breaker import ENDPOINTS_MIN, PROBE_EVERY_S, REMEMBERED_S, Breaker


def noted(unreachable: int, reached: int, at_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    for number in range(reached):
        breaker.note(f"up-{number}", reachable=True, now_s=at_s)
    for number in range(unreachable):
        breaker.note(f"down-{number}", reachable=False, now_s=at_s)
    return breaker


@pytest.mark.parametrize(
    ("unreachable", "reached", "is_open"),
    [
        (ENDPOINTS_MIN, 0, True),
        (ENDPOINTS_MIN - 1, 0, False),
        (80, 20, True),
        (79, 21, False),
        (1, 99, False),
    ],
)
def test_breaker_opens_when_most_of_enough_endpoints_are_unreachable(
    unreachable: int, reached: int, is_open: bool
) -> None:
    assert noted(unreachable, reached).open is is_open


def test_one_dead_endpoint_counts_once_however_often_it_fails() -> None:
    breaker = Breaker()
    for second in range(100):
        breaker.note("dead", reachable=False, now_s=second / 10)
    assert not breaker.open


def test_open_breaker_lets_one_probe_a_second_through_and_closes_at_the_first_answer() -> None:
    breaker = noted(ENDPOINTS_MIN, 0)
    begun = 0
    for at in range(12):
        if breaker.may_start(at / 10):
            breaker.probed(at / 10)
            begun += 1
    assert begun == 2
    # Where nothing waits, nothing begins: the next to come is the probe.
    assert breaker.may_start(2.0)
    assert breaker.may_start(2.0)
    breaker.note("down-3", reachable=False, now_s=2.0)
    assert breaker.open
    breaker.note("down-5", reachable=True, now_s=2.0 + PROBE_EVERY_S)
    assert not breaker.open
    assert all(breaker.may_start(3.0) for _ in range(10))


def test_what_was_reached_long_ago_says_nothing_of_now() -> None:
    breaker = noted(0, 50)
    for number in range(ENDPOINTS_MIN):
        breaker.note(f"up-{number}", reachable=False, now_s=REMEMBERED_S + 1)
    assert breaker.open


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=200))
def test_an_answer_always_leaves_the_breaker_closed(notes: list[tuple[int, bool]]) -> None:
    breaker = Breaker()
    for now_s, (endpoint, reachable) in enumerate(notes):
        breaker.note(str(endpoint), reachable=reachable, now_s=float(now_s))
        assert not (reachable and breaker.open)
