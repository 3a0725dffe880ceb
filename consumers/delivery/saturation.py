"""Whether the event loop itself is what everybody waits for: it runs, or wants to run, nearly all the time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

SATURATED_AT: Final = 0.8
HALF_LIFE_S: Final = 1.0

_SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")


def wanted_s() -> float:
    """Return the seconds for which this thread ran or, on Linux, was ready to run and waited for a processor."""
    try:
        ran_ns, waited_ns, _ = _SCHEDSTAT.read_text().split()
    except (OSError, ValueError):
        return time.thread_time()
    return (int(ran_ns) + int(waited_ns)) / 1e9


class Saturation:
    """The share of time a thread wanted the processor, lately. Pure: both clocks are arguments."""

    __slots__ = ("_at_s", "_share", "_wanted_s")

    def __init__(self, now_s: float, wanted_s: float) -> None:
        self._at_s, self._wanted_s, self._share = now_s, wanted_s, 0.0

    def __bool__(self) -> bool:
        return self._share >= SATURATED_AT

    def note(self, now_s: float, wanted_s: float) -> None:
        """Note both clocks; at any interval.

        Args:
            now_s: The monotonic clock.
            wanted_s: What `wanted_s` returned on the thread that is watched.
        """
        passed_s = now_s - self._at_s
        if passed_s <= 0:
            return
        old = 0.5 ** (passed_s / HALF_LIFE_S)
        self._share = old * self._share + (1 - old) * (wanted_s - self._wanted_s) / passed_s
        self._at_s, self._wanted_s = now_s, wanted_s
