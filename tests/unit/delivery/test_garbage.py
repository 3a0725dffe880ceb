"""Garbage is looked for in small steps."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from consumers.delivery.garbage import OLDER_EVERY, STEP_EVERY_S, Garbage


@pytest.fixture
def collections() -> Iterator[list[int]]:
    """The generations that are looked through, in order, while the interpreter does not look by itself."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            seen.append(info["generation"])

    gc.disable()
    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)
    gc.enable()


class Clock:
    """A loop whose time is moved by hand."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self.due: list[asyncio.TimerHandle] = []

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        assert delay_s == STEP_EVERY_S
        self.due.append(asyncio.TimerHandle(delay_s, callback, (), self._loop))
        return self.due[-1]

    def step(self) -> None:
        """Move on to the next timer, and run it unless it was cancelled."""
        timer = self.due.pop(0)
        if not timer.cancelled():
            timer._run()

    def close(self) -> None:
        self._loop.close()


@pytest.fixture
def clock() -> Iterator[Clock]:
    made = Clock()
    yield made
    made.close()


def test_the_young_are_looked_through_often_and_the_older_now_and_then(
    collections: list[int], clock: Clock
) -> None:
    """Whatever is made and freed meanwhile: the interpreter's own count stands still where as much ends as comes."""
    Garbage(cast(asyncio.AbstractEventLoop, clock))
    for _ in range(2 * OLDER_EVERY):
        clock.step()
    assert collections == 2 * ([0] * (OLDER_EVERY - 1) + [1])


def test_closed_it_leaves_garbage_to_the_interpreter(collections: list[int], clock: Clock) -> None:
    Garbage(cast(asyncio.AbstractEventLoop, clock)).close()
    clock.step()
    assert (collections, clock.due) == ([], [])
