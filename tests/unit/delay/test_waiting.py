"""What waits is taken when it is due, never before, and in the order it is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.delay.waiting import Hop, Waiting, onward
from tocsin import tiers
from tocsin.deliveries import Progress

MOMENTS = st.lists(st.integers(0, 100), max_size=30)


def taken(waiting: Waiting[int], now_ms: float) -> list[int]:
    """Return all that is due, as it is taken."""
    out = []
    while (item := waiting.due(now_ms)) is not None:
        out.append(item)
    return out


@given(MOMENTS, st.integers(0, 100))
def test_what_is_due_is_taken_and_nothing_else(due_ms: list[int], now_ms: int) -> None:
    """At any moment exactly what is due by then comes, in the order it is due, equals in the order they came."""
    waiting: Waiting[int] = Waiting()
    for number, moment in enumerate(due_ms):
        waiting.add(moment, number)
    expected = sorted((moment, number) for number, moment in enumerate(due_ms) if moment <= now_ms)
    assert taken(waiting, now_ms) == [number for _, number in expected]
    assert len(waiting) == len(due_ms) - len(expected)


@given(MOMENTS, st.integers(0, 100))
def test_waiting_until_the_next_is_due_is_neither_short_nor_long(due_ms: list[int], now_ms: int) -> None:
    """After the wait that was told something is due, and a millisecond earlier nothing more than before was."""
    waiting: Waiting[int] = Waiting()
    for number, moment in enumerate(due_ms):
        waiting.add(moment, number)
    taken(waiting, now_ms)
    wait_ms = 1000 * waiting.wait_s(now_ms, most_s=1.0)
    if len(waiting):
        assert waiting.due(now_ms + wait_ms - 1) is None
        assert waiting.due(now_ms + wait_ms) is not None
    else:
        assert wait_ms == 1000


@pytest.mark.parametrize(
    ("due_ms", "now_ms", "wait_s"),
    [(1500, 1000, 0.5), (1500, 1500, 0.0), (1500, 9999, 0.0), (99_999, 1000, 0.6)],
)
def test_wait_is_bounded_on_both_sides(due_ms: int, now_ms: float, wait_s: float) -> None:
    waiting: Waiting[str] = Waiting()
    waiting.add(due_ms, "x")
    assert waiting.wait_s(now_ms, most_s=0.6) == wait_s


def test_dropped_items_are_forgotten_and_the_others_keep_their_order() -> None:
    waiting: Waiting[int] = Waiting()
    for number in (5, 3, 8, 1, 9, 2):
        waiting.add(number, number)
    waiting.drop(lambda number: number % 2 == 1)
    assert taken(waiting, 100) == [2, 8]


@pytest.mark.parametrize(
    ("remaining_s", "chain"),
    [
        (0, [None]),
        (3, ["5s", None]),
        (5, ["5s", None]),
        (30, ["25s", "5s", None]),
        (3 * 3600, ["2h", "1h", None]),
        (86_400, ["24h", None]),
    ],
)
def test_rest_of_a_wait_is_a_chain_of_tiers(remaining_s: int, chain: list[str | None]) -> None:
    """Retry-After of three hours is two hours and one hour, not twelve."""
    hops: list[str | None] = []
    progress = Progress(step=1, remaining_s=remaining_s)
    while not hops or hops[-1] is not None:
        hop = onward(progress)
        hops.append(hop.tier)
        progress = hop.progress
    assert hops == chain
    assert progress.step == len(chain)


@given(st.integers(0, 86_400))
def test_a_chain_waits_at_least_what_is_left_and_hardly_longer(remaining_s: int) -> None:
    waited_s, hop = 0, onward(Progress(remaining_s=remaining_s))
    while hop.tier is not None:
        waited_s += tiers.seconds(hop.tier)
        hop = onward(hop.progress)
    assert remaining_s <= waited_s < remaining_s + tiers.seconds(tiers.SHORTEST)


def test_who_has_waited_is_sent_on_as_he_is() -> None:
    """The step was raised when it was sent waiting; raised again, a repeat would not be recognised."""
    progress = Progress(
        run="job", step=7, attempt=3, parked=2, parked_at_ms=5, last_status=500, last_error="x"
    )
    assert onward(progress) == Hop(None, progress)
