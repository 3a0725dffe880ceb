"""Answers that may be a moment old: however many ask, each is made once in that time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Remembers answers by key.

    Args:
        keep_s: How old an answer may be.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._known: dict[str, tuple[float, V]] = {}
        self._making: dict[str, asyncio.Task[V]] = {}

    async def get(self, key: str, make: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return the answer of a key, made anew if it is too old; raises what `make` raises."""
        known = self._known.get(key)
        if known is not None and time.monotonic() - known[0] < self._keep_s:
            return known[1]
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(make())
            task.add_done_callback(lambda made: self._made(key, made))
        return await asyncio.shield(task)

    def _made(self, key: str, task: asyncio.Task[V]) -> None:
        del self._making[key]
        now_s = time.monotonic()
        self._known = {each: (at, v) for each, (at, v) in self._known.items() if now_s - at < self._keep_s}
        if not task.cancelled() and task.exception() is None:
            self._known[key] = (now_s, task.result())
