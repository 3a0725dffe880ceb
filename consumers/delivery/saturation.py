"""Whether this process is what everybody waits for: its threads run, or want to run, nearly all the time.

They share one interpreter, so what counts is all of them together: the loop also waits while another one decodes.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Final

SATURATED_AT: Final = 0.8
HALF_LIFE_S: Final = 0.5

_TASKS: Final = Path("/proc/self/task")
_IS_TOLD: Final = Path("/proc/self/schedstat").exists()


def wanted_s() -> float:
    """Return the seconds for which Python's threads ran or, on Linux, were ready to run and waited for a processor."""
    if not _IS_TOLD:
        return time.process_time()
    return sum(_wanted_ns(thread.native_id) for thread in threading.enumerate()) / 1e9


def _wanted_ns(thread: int | None) -> int:
    try:
        ran_ns, waited_ns, _ = (_TASKS / str(thread) / "schedstat").read_text().split()
    except OSError:
        return 0  # it has ended
    return int(ran_ns) + int(waited_ns)


class Saturation:
    """The share of time for which a processor was wanted, lately. Pure: both clocks are arguments.

    Attributes:
        at_s: When it was noted last, on the monotonic clock.
    """

    __slots__ = ("_share", "_wanted_s", "at_s")

    def __init__(self, now_s: float, wanted_s: float) -> None:
        self.at_s, self._wanted_s, self._share = now_s, wanted_s, 0.0

    def __bool__(self) -> bool:
        return self._share >= SATURATED_AT

    def note(self, now_s: float, wanted_s: float) -> None:
        """Note both clocks; at any interval.

        Args:
            now_s: The monotonic clock.
            wanted_s: What `wanted_s` returned.
        """
        passed_s = now_s - self.at_s
        if passed_s <= 0:
            return
        old = 0.5 ** (passed_s / HALF_LIFE_S)
        self._share = old * self._share + (1 - old) * max(0.0, wanted_s - self._wanted_s) / passed_s
        self.at_s, self._wanted_s = now_s, wanted_s
