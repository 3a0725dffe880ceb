"""An event is finished with the last of its effects, once, and not before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.router.effects import Effects


def test_event_without_effects_is_finished_when_none_were_made() -> None:
    done: list[bool] = []
    effects = Effects(lambda: done.append(True))
    assert not done
    effects.end()
    assert done == [True]


@given(st.permutations(range(6)))
def test_event_is_finished_by_whatever_ends_last(order: list[int]) -> None:
    """The first to end is the making of the effects, at any place among the acknowledgements."""
    done: list[int] = []
    ended: list[int] = []
    effects = Effects(lambda: done.append(len(ended)))
    for _ in range(5):
        effects.begin()
    for number in order:
        ended.append(number)
        effects.end()
    assert done == [6]


def test_acknowledgement_before_the_next_write_finishes_nothing() -> None:
    done: list[bool] = []
    effects = Effects(lambda: done.append(True))
    for _ in range(3):
        effects.begin()
        effects.end()
    assert not done
    effects.end()
    assert done == [True]
