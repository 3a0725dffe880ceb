"""Turns, limits and overflow: who is sent to next, and whom a slow neighbour cannot hold up."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.delivery import lanes as lanes_module
from consumers.delivery.lanes import DUE_EVERY, SOON_S, Lanes
from consumers.delivery.pace import CEILING, FLOOR, REST_MAX_S, REST_MIN_S, START, Pace
from tocsin import tiers


@dataclass(frozen=True)
class Item:
    endpoint: str
    number: int = 0
    live: bool = True
    part: str = "p0"


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


def test_replay_to_many_endpoints_does_not_stand_in_front_of_live_work_for_others() -> None:
    replayed = [Item(f"r{n}", n, live=False) for n in range(50)]
    live = [Item(f"l{n}", n) for n in range(6)]
    order = [item.live for item in drain(filled(*replayed, *live))]
    assert order[:8] == [True, True, True, False, True, True, True, False]


def test_live_work_that_comes_to_a_lane_with_due_work_goes_first_with_it() -> None:
    lanes = filled(*(Item(f"r{n}", n, live=False) for n in range(50)))
    lanes.add(Item("r40", 99), 0.0)
    assert lanes.take(0.0) == Item("r40", 99)
    assert len(drain(lanes)) == 50


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
    assert len(lanes._held) == 1
    assert lanes.take(9.9) is None
    assert lanes.take(10.0) is not None
    assert not lanes._held


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
        while pace.in_flight < int(pace.limit):
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
        while pace.in_flight < int(pace.limit):
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


def at_the_floor(jitter: float = 0.0) -> tuple[Pace, float]:
    """A pace that was cut as far as one POST at a time, and now."""
    pace, now_s = Pace(jitter=lambda: jitter), 0.0
    while pace.limit > FLOOR:
        pace.started(now_s)
        pace.ended("overload", started_s=now_s, now_s=now_s + 0.01)
        now_s += 0.01
    assert pace.held_until_s <= now_s
    return pace, now_s


def test_overloaded_endpoint_at_the_floor_rests_longer_each_time_until_one_succeeds() -> None:
    pace, now_s = at_the_floor()
    rests_s = []
    for _ in range(7):
        pace.started(now_s)
        pace.ended("overload", started_s=now_s, now_s=now_s)
        rests_s.append(pace.held_until_s - now_s)
        now_s = pace.held_until_s
    assert rests_s == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, REST_MAX_S, REST_MAX_S])
    for signal in (
        "success",
        "overload",
        "overload",
    ):  # the success has raised the limit: one cut to be at the floor
        pace.started(now_s)
        pace.ended(signal, started_s=now_s, now_s=now_s)
    assert pace.held_until_s - now_s == pytest.approx(REST_MIN_S)


def test_endpoints_that_fail_together_are_not_asked_together_again() -> None:
    rests_s = []
    for jitter in (0.0, 0.5, 1.0):
        pace, now_s = at_the_floor(jitter)
        pace.started(now_s)
        pace.ended("overload", started_s=now_s, now_s=now_s)
        rests_s.append(pace.held_until_s - now_s)
    assert rests_s == pytest.approx([REST_MIN_S, 0.75 * REST_MIN_S, 0.5 * REST_MIN_S])


def test_many_failures_of_one_round_are_one_rest() -> None:
    pace, now_s = at_the_floor()
    for _ in range(3):
        pace.started(now_s)
    for number in range(3):
        pace.ended("overload", started_s=now_s, now_s=now_s + 1.0 + number / 100)
    assert pace.held_until_s == pytest.approx(now_s + 1.0 + REST_MIN_S)


def test_who_is_asked_to_wait_longer_than_its_rest_waits_that_long() -> None:
    pace, now_s = at_the_floor()
    pace.started(now_s)
    pace.ended("overload", started_s=now_s, now_s=now_s, retry_after_s=30.0)
    assert pace.held_until_s == now_s + 30.0


def test_rest_is_far_shorter_than_the_shortest_retry_interval() -> None:
    assert tiers.seconds(tiers.SHORTEST) >= 2 * REST_MAX_S


def served(until_s: int, **per_second: int) -> Lanes[Item]:
    """Lanes whose endpoints have taken what came, evenly, from second 0 on."""
    lanes: Lanes[Item] = Lanes(1_000)
    moments = [(n / rate, name) for name, rate in per_second.items() for n in range(rate * until_s)]
    for now_s, endpoint in sorted(moments):
        lanes.add(Item(endpoint), now_s)
        assert lanes.take(now_s) == Item(endpoint)
        lanes.done(endpoint, "neutral", started_s=now_s, now_s=now_s)
    return lanes


def test_overflow_parks_the_oldest_of_what_hangs_and_leaves_the_others() -> None:
    slow = [Item("slow", n) for n in range(100)]
    lanes = filled(*slow, Item("well"))
    begun = len(drain(lanes))
    parked = lanes.overflow("p0", 30, now_s=30.0)
    assert [item for item, _ in parked] == slow[begun - 1 : begun + 29]
    assert {wait_s for _, wait_s in parked} == {float("inf")}
    assert lanes.waiting == 100 - (begun - 1) - 30


def test_overflow_parks_only_work_of_the_partition_that_fills() -> None:
    lanes = filled(*(Item("slow", n, part=f"p{n % 2}") for n in range(100)))
    drain(lanes)
    parked = lanes.overflow("p1", 1_000, now_s=30.0)
    assert {item.part for item, _ in parked} == {"p1"}
    assert lanes.overflow("p1", 1_000, now_s=30.0) == []
    assert lanes.overflow("p2", 1_000, now_s=30.0) == []


def test_overflow_leaves_what_the_endpoint_takes_soon() -> None:
    lanes = served(20, slow=2)
    for n in range(100):
        lanes.add(Item("slow", 1_000 + n), 20.0)
    parked = lanes.overflow("p0", 1_000, now_s=20.0)
    assert lanes.waiting == pytest.approx(2 * SOON_S, abs=2)
    assert parked[0][0].number == 1_000
    assert parked[0][1] == pytest.approx(50, rel=0.05)


def test_overflow_leaves_a_burst_to_an_endpoint_that_keeps_up() -> None:
    lanes = served(2, fast=100)
    for n in range(100):
        lanes.add(Item("fast", 1_000 + n), 2.0)
    assert lanes.overflow("p0", 1_000, now_s=2.0) == []


def test_overflow_takes_the_slowest_endpoint_first() -> None:
    lanes = served(10, slow=4, slower=1)
    for n in range(2_000):
        lanes.add(Item(("slow", "slower")[n % 2], n), 10.0)
    assert {item.endpoint for item, _ in lanes.overflow("p0", 200, now_s=10.0)} == {"slower"}


def test_overflow_blames_nobody_when_all_wait_for_the_process() -> None:
    """A backlog that this process is too slow for is not parked: that would only cost it more."""
    lanes = served(10, a=10, b=10, c=10, d=10)
    for n in range(4_000):
        lanes.add(Item("abcd"[n % 4], n, part="abcd"[n % 4]), 10.0)
    parked = [lanes.overflow(part, 1_000, now_s=10.0, saturated=True) for part in "abcd"]
    assert parked == [[], [], [], []]
    assert lanes.overflow("a", 1_000, now_s=10.0, saturated=False)


def test_overflow_parks_what_hangs_in_a_saturated_process_too() -> None:
    lanes = served(10, well=10)
    for n in range(200):
        lanes.add(Item("hangs" if n % 2 else "well", n), 10.0)
    drain(lanes, 10.0)
    parked = lanes.overflow("p0", 1_000, now_s=30.0, saturated=True)
    assert {item.endpoint for item, _ in parked} == {"hangs"}


def test_endpoint_that_is_still_being_found_out_is_not_parked() -> None:
    pace = Pace()
    for _ in range(int(START)):
        pace.started(0.0)
    pace.ended("success", started_s=0.0, now_s=1.0)
    assert pace.rising(1.5)
    assert not pace.rising(2.5)
    pace.ended("overload", started_s=0.0, now_s=2.6)
    pace.ended("success", started_s=0.0, now_s=2.7)
    assert not pace.rising(2.8)


def test_removed_partitions_leave_nothing_behind() -> None:
    lanes = filled(*(Item(f"e{n % 3}", n, live=n % 2 == 0, part=f"p{n % 4}") for n in range(120)))
    removed = lanes.remove({"p0", "p3"})
    assert {item.part for item in removed} == {"p0", "p3"}
    assert len(removed) == 60
    assert lanes.waiting == 60
    for item in drain(lanes):
        assert item.part in ("p1", "p2")
        lanes.done(item.endpoint, "neutral", started_s=0.0, now_s=0.0)
    assert lanes.remove({"p0", "p3"}) == []


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few lanes are remembered."""
    monkeypatch.setattr(lanes_module, "IDLE_LANES_MAX", 3)


@pytest.mark.usefixtures("few")
def test_lane_that_has_work_is_never_forgotten_however_many_there_are() -> None:
    """Ten thousand endpoints wait at once when one event is for all of them and nothing may be sent."""
    items = [Item(f"e{number}") for number in range(8)]
    lanes = filled(*items)
    assert drain(lanes) == items
    assert lanes.remove({"p0"}) == []
    for item in items:
        lanes.done(item.endpoint, "neutral", started_s=0.0, now_s=0.0)
    assert lanes.in_flight == 0


@pytest.mark.usefixtures("few")
def test_idle_lanes_beyond_the_most_that_are_remembered_are_forgotten() -> None:
    lanes = served(1, a=1, b=1, c=1, d=1)
    assert len(lanes.lengths()) <= 3
    assert "d" in lanes.lengths()


@pytest.mark.usefixtures("few")
def test_what_is_kept_of_forgotten_lanes_does_not_grow() -> None:
    lanes: Lanes[Item] = Lanes(1_000)

    def serve(count: int) -> int:
        tracemalloc.start()
        for number in range(count):
            lanes.add(Item(f"{count}-{number}"), 0.0)
            lanes.take(0.0)
            lanes.done(f"{count}-{number}", "neutral", started_s=0.0, now_s=0.0)
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return kept

    serve(10)
    assert serve(2_000) < 10_000


@pytest.mark.usefixtures("few")
def test_endpoint_that_asked_for_a_pause_has_it_though_idle_lanes_are_forgotten() -> None:
    lanes = filled(Item("a"))
    lanes.take(0.0)
    lanes.done("a", "overload", started_s=0.0, now_s=0.0, retry_after_s=10.0)
    for number in range(8):
        lanes.add(Item(f"e{number}"), 1.0)
    drain(lanes, 1.0)
    lanes.add(Item("a"), 1.0)
    assert lanes.take(9.9) is None
    assert lanes.take(10.0) == Item("a")


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


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 2)), max_size=120),
    st.lists(st.sampled_from(["take", "done", "overflow", "remove"]), max_size=60),
    st.data(),
)
@settings(deadline=None)
def test_nothing_is_lost_or_doubled_however_work_leaves(
    plan: list[tuple[int, bool, int]], steps: list[str], data: st.DataObject
) -> None:
    """What is added is taken, parked or handed back, once; what waits is counted right all the while."""
    items = [Item(f"e{e}", n, live, f"p{part}") for n, (e, live, part) in enumerate(plan)]
    lanes = filled(*items)
    left: list[Item] = []
    open_: list[Item] = []
    for turn, step in enumerate(steps):
        now_s = float(turn)
        part = f"p{data.draw(st.integers(0, 2))}"
        if step == "take":
            begun = drain(lanes, now_s)
            open_ += begun
            left += begun
        elif step == "done" and open_:
            lanes.done(open_.pop().endpoint, "success", started_s=now_s - 1, now_s=now_s)
        elif step == "overflow":
            left += [item for item, _ in lanes.overflow(part, data.draw(st.integers(1, 50)), now_s)]
        elif step == "remove":
            left += lanes.remove({part})
        assert lanes.waiting == len(items) - len(left)
    left += lanes.remove({"p0", "p1", "p2"})
    assert sorted(left, key=lambda item: item.number) == items
    assert lanes.take(1e9) is None
