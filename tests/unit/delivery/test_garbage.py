"""Garbage is looked for in small steps."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

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


def test_the_young_are_looked_through_often_and_the_older_now_and_then(collections: list[int]) -> None:
    """Whatever is made and freed meanwhile: the interpreter's own count stands still where as much ends as comes."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        garbage = Garbage(loop)
        ended = loop.time() + 100 * OLDER_EVERY * STEP_EVERY_S
        while len(collections) < OLDER_EVERY:
            assert loop.time() < ended
            await asyncio.sleep(STEP_EVERY_S)
        garbage.close()

    asyncio.run(run())
    assert collections[:OLDER_EVERY] == [0] * (OLDER_EVERY - 1) + [1]


def test_closed_it_leaves_garbage_to_the_interpreter(collections: list[int]) -> None:
    async def run() -> None:
        Garbage(asyncio.get_running_loop()).close()
        await asyncio.sleep(2 * STEP_EVERY_S)

    asyncio.run(run())
    assert collections == []
