"""When the event loop is the bottleneck, and when it is not."""

from __future__ import annotations

import time

import pytest

from consumers.delivery.saturation import Saturation, wanted_s


def after(*shares: float, every_s: float = 0.05) -> Saturation:
    """A thread that wanted the processor for these shares of equal intervals."""
    now_s = wanted = 0.0
    saturation = Saturation(now_s, wanted)
    for share in shares:
        now_s, wanted = now_s + every_s, wanted + share * every_s
        saturation.note(now_s, wanted)
    return saturation


def test_idle_thread_is_not_saturated() -> None:
    assert not after(*[0.1] * 100)


def test_busy_thread_is_saturated_after_seconds_not_at_once() -> None:
    assert not after(*[1.0] * 20)
    assert after(*[1.0] * 100)


def test_thread_that_has_caught_up_is_not_saturated() -> None:
    assert not after(*[1.0] * 100, *[0.2] * 40)


@pytest.mark.parametrize("every_s", [0.001, 0.05, 1.0])
def test_interval_of_noting_makes_no_difference(every_s: float) -> None:
    assert after(*[0.9] * int(5 / every_s), every_s=every_s)


def test_clocks_that_stand_still_change_nothing() -> None:
    saturation = after(*[1.0] * 100)
    saturation.note(5.0, 5.0)
    assert saturation


def test_thread_that_computes_wants_the_processor() -> None:
    before_s, started_s = wanted_s(), time.thread_time()
    while time.thread_time() - started_s < 0.02:
        pass
    assert wanted_s() - before_s >= 0.015
