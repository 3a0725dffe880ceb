"""Records of the subscriptions topic that came second: whose they are, and which stand last in the log until mended.

Two processes that change a subscription at once both write version N+1. Every reader keeps the first and passes over
the second; but the second stands last, and compaction would keep it alone. So the winner is written again: at once by
whoever came second, and by every other process if that one does not get to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from tocsin.errors import TocsinError

OTHERS_MEND_AFTER_S: Final = 1.0
REMEMBERED_S: Final = 60.0
"""Longer than any writer waits to hear how its write ended."""


class CameSecond(TocsinError):
    """Another writer's version came first; the log is as if this one had not been written."""


class Overtaken:
    """Fed by a table's thread, asked by writers.

    Args:
        clock_s: A monotonic clock, seconds.
    """

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._offsets: dict[int, float] = {}
        self._last_in_log: dict[str, float] = {}
        self._lock = threading.Lock()

    def note(self, key: str, offset: int) -> None:
        """Take in a record that came second."""
        now_s = self._clock_s()
        with self._lock:
            old = [known for known, at_s in self._offsets.items() if now_s - at_s > REMEMBERED_S]
            for known in old:
                del self._offsets[known]
            self._offsets[offset] = now_s
            self._last_in_log[key] = now_s

    def settle(self, key: str) -> None:
        """Take in that the newest record of a key is the one that counts."""
        with self._lock:
            self._last_in_log.pop(key, None)

    def has(self, offset: int) -> bool:
        """Return whether the record at an offset came second; the table must have read so far."""
        with self._lock:
            return offset in self._offsets

    def due(self) -> list[str]:
        """Return the keys whose winner somebody should have written again by now; each is due again later."""
        now_s = self._clock_s()
        with self._lock:
            due = [key for key, at_s in self._last_in_log.items() if now_s - at_s >= OTHERS_MEND_AFTER_S]
            for key in due:
                self._last_in_log[key] = now_s
        return due
