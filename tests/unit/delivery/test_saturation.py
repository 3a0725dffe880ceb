"""When the process is the bottleneck, and when it is not."""

from __future__ import annotations

import threading
import time

import pytest

from consumers.delivery.saturation import Saturation, wanted_s


def after(*shares: float, every_s: float = 0.05) -> Saturation:
    """A process that wanted a processor for these shares of equal intervals."""
    now_s = wanted = 0.0
    saturation = Saturation(now_s, wanted)
    for share in shares:
        now_s, wanted = now_s + every_s, wanted + share * every_s
        saturation.note(now_s, wanted)
    return saturation


def test_idle_process_is_not_saturated() -> None:
    assert not after(*[0.1] * 100)


def test_busy_process_is_saturated_after_a_second_not_at_once() -> None:
    assert not after(*[1.0] * 10)
    assert after(*[1.0] * 30)


def test_process_that_has_caught_up_is_not_saturated() -> None:
    assert not after(*[1.0] * 100, *[0.2] * 40)


@pytest.mark.parametrize("every_s", [0.001, 0.05, 1.0])
def test_interval_of_noting_makes_no_difference(every_s: float) -> None:
    assert after(*[0.9] * int(5 / every_s), every_s=every_s)


def test_clocks_that_stand_still_change_nothing() -> None:
    saturation = after(*[1.0] * 100)
    saturation.note(5.0, 5.0)
    assert saturation


def test_thread_that_has_ended_takes_nothing_back() -> None:
    saturation = after(*[1.0] * 100)
    saturation.note(5.05, 3.0)
    saturation.note(5.10, 3.05)
    assert saturation


def computing(seconds: float) -> None:
    started_s = time.thread_time()
    while time.thread_time() - started_s < seconds:
        pass


def test_threads_that_compute_want_a_processor_together() -> None:
    done, before_s = threading.Event(), wanted_s()

    def compute_and_stay() -> None:
        computing(0.02)
        done.wait()

    other = threading.Thread(target=compute_and_stay)
    other.start()
    computing(0.02)
    try:
        while wanted_s() - before_s < 0.03:
            pass
    finally:
        done.set()
        other.join()
