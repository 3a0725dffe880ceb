"""Turns, limits and overflow: who is sent to next, and whom a slow neighbour cannot hold up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.delivery.lanes import DUE_EVERY, Lanes
from consumers.delivery.pace import CEILING, FLOOR, START, Pace


@dataclass(frozen=True)
class Item:
    endpoint: str
    number: int = 0
    live: bool = True


def filled(*items: Item, total: int = 1_000) -> Lanes[Item]:
    lanes: Lanes[Item] = Lanes(total)
    for item in items:
        lanes.add(item, 0.0)
    return lanes


def drain(lanes: Lanes[Item], now_s: float = 0.0) -> list[Item]:
    taken = []
    while (item := lanes.take(now_s)) is not None:
        taken.append(item)
    return taken


def test_hanging_endpoint_holds_only_its_own_slots() -> None:
    lanes = filled(*(Item("hangs", n) for n in range(500)), *(Item("well", n) for n in range(5)))
    taken = Counter(item.endpoint for item in drain(lanes))
    assert taken == {"hangs": int(START), "well": 5}


def test_endpoints_take_turns() -> None:
    lanes = filled(*(Item("a", n) for n in range(3)), *(Item("b", n) for n in range(3)))
    assert [item.endpoint for item in drain(lanes)] == ["a", "b", "a", "b", "a", "b"]


def test_live_work_goes_first_and_due_work_does_not_starve() -> None:
    items = [Item("a", n, live=True) for n in range(6)] + [Item("a", n, live=False) for n in range(2)]
    order = [item.live for item in drain(filled(*items))]
    assert order[: DUE_EVERY - 1] == [True] * (DUE_EVERY - 1)
    assert order[DUE_EVERY - 1] is False


def test_total_bounds_all_endpoints_together() -> None:
    lanes = filled(*(Item(f"e{n}") for n in range(50)), total=7)
    assert len(drain(lanes)) == 7
    lanes.done("e0", "success", started_s=0, now_s=1)
    assert len(drain(lanes, 1)) == 1


def test_retry_after_holds_an_endpoint_until_then() -> None:
    lanes = filled(Item("a", 0))
    lanes.take(0.0)
    lanes.done("a", "overload", started_s=0.0, now_s=1.0, retry_after_s=10.0)
    lanes.add(Item("a", 1), 2.0)
    assert lanes.take(10.9) is None
    assert lanes.take(11.0) == Item("a", 1)


def test_endpoint_that_asked_for_a_pause_is_waited_for_once_however_much_comes_meanwhile() -> None:
    lanes = filled(Item("a", 0))
    lanes.take(0.0)
    lanes.done("a", "overload", started_s=0.0, now_s=0.0, retry_after_s=10.0)
    for number in range(50):
        lanes.add(Item("a", number), 1.0)
    assert lanes.next_release_s() == 10.0
    assert lanes.take(10.0) is not None
    assert lanes.next_release_s() is None


def test_limit_grows_with_successes_while_it_is_needed() -> None:
    pace = Pace()
    for _ in range(int(START)):
        pace.started(0.0)
    for _ in range(int(START) // 2):
        pace.ended("success", started_s=0, now_s=1)
    assert pace.limit > START
    assert FLOOR <= pace.limit <= CEILING


def test_limit_stays_when_answers_take_longer_the_more_are_in_flight() -> None:
    pace = Pace()
    now_s = 0.0
    for _ in range(5_000):
        while pace.may_start(now_s):
            pace.started(now_s)
        # One server that needs 2 ms for each: twice as many at once wait twice as long.
        took_s = 0.002 * pace.in_flight
        now_s += 0.002
        pace.ended("success", started_s=now_s - took_s, now_s=now_s)
    assert pace.limit < 30


def test_limit_grows_to_what_an_endpoint_takes_at_the_same_speed() -> None:
    pace = Pace()
    for turn in range(20):
        now_s = turn * 0.05
        while pace.may_start(now_s):
            pace.started(now_s)
        for _ in range(pace.in_flight):
            pace.ended("success", started_s=now_s, now_s=now_s + 0.05)
    assert pace.limit == CEILING


def test_rate_is_known_soon_and_true() -> None:
    pace = Pace()
    assert pace.rate(0.0) is None
    for number in range(300):
        at_s = number / 100
        pace.started(at_s)
        pace.ended("neutral", started_s=at_s, now_s=at_s)
    assert pace.rate(3.0) == pytest.approx(100, rel=0.05)


def test_limit_is_halved_once_when_many_of_one_round_time_out() -> None:
    pace = Pace()
    for _ in range(8):
        pace.started(0.0)
    for _ in range(8):
        pace.ended("overload", started_s=0.0, now_s=30.0)
    assert pace.limit == START / 2


def test_overflow_parks_the_oldest_of_what_does_not_keep_up_and_leaves_the_others() -> None:
    slow = [Item("slow", n) for n in range(100)]
    lanes = filled(*slow, Item("well"))
    begun = len(drain(lanes))
    parked = lanes.overflow(lambda item: True, spare=20, now_s=30.0)
    assert [item for item, _ in parked] == slow[begun - 1 : 80]
    assert lanes.waiting == 20


def test_overflow_leaves_a_burst_to_an_endpoint_that_keeps_up() -> None:
    lanes: Lanes[Item] = Lanes(1_000)
    for n in range(200):
        lanes.add(Item("fast", n), n / 100)
        assert lanes.take(n / 100) is not None
        lanes.done("fast", "success", started_s=n / 100, now_s=n / 100)
    for n in range(100):
        lanes.add(Item("fast", 1_000 + n), 2.0)
    assert lanes.overflow(lambda item: True, spare=20, now_s=2.0) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=200), st.integers(1, 20))
@settings(deadline=None)
def test_everything_is_taken_once_and_never_beyond_the_limits(
    plan: list[tuple[int, bool]], total: int
) -> None:
    items = [Item(f"e{endpoint}", number, live) for number, (endpoint, live) in enumerate(plan)]
    lanes = filled(*items, total=total)
    taken: list[Item] = []
    now_s = 0.0
    while batch := drain(lanes, now_s):
        assert lanes.in_flight <= total
        taken += batch
        now_s += 1.0
        for item in batch:
            lanes.done(item.endpoint, "neutral", started_s=now_s, now_s=now_s)
    assert sorted(taken, key=lambda item: item.number) == items
    assert lanes.in_flight == 0
