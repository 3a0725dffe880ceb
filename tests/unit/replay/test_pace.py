"""A replay goes as fast as was asked, and never faster."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.replay.pace import SLACK_S, STEP_S, Pace


def test_turns_are_evenly_spaced() -> None:
    pace = Pace(10.0, now_s=100.0)
    waits = [round(pace.take(100.0), 6) for _ in range(5)]
    assert waits == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_pause_is_not_made_up_for_with_a_burst() -> None:
    pace = Pace(100.0, now_s=0.0)
    pace.take(0.0)
    at_once = 0
    while pace.take(60.0) == 0.0:
        at_once += 1
    assert at_once <= (SLACK_S + STEP_S) * 100 + 1


def test_turns_of_one_step_are_taken_together() -> None:
    pace, now_s, waits = Pace(500.0, now_s=0.0), 0.0, []
    for _ in range(500):
        wait_s = pace.take(now_s)
        now_s += wait_s
        waits.append(wait_s)
    slept = [wait_s for wait_s in waits if wait_s]
    assert all(wait_s >= STEP_S for wait_s in slept)
    assert len(slept) <= 1.0 / STEP_S
    assert 0.9 <= now_s <= 1.0


@given(st.floats(0.1, 10_000), st.lists(st.floats(0, 0.5), min_size=1, max_size=200))
def test_no_more_turns_than_the_rate_allows(rate_per_s: float, busy_s: list[float]) -> None:
    """However long each turn takes, in any time there are no more turns than rate times time, slack, step and one."""
    now_s = 1000.0
    pace = Pace(rate_per_s, now_s)
    for turn, each in enumerate(busy_s):
        now_s += pace.take(now_s)
        assert turn <= rate_per_s * (now_s - 1000.0 + SLACK_S + STEP_S) + 1e-6
        now_s += each
