"""Whether a program's loop comes round, and whether what is open comes to an end. Pure: time is an argument."""

from __future__ import annotations

from typing import Final

WINDOW_S: Final = 30.0


class Pulse:
    """Watches a loop that should come round periodically.

    Args:
        every_s: How long one round may take without being late.
        now_s: The monotonic clock.
    """

    __slots__ = ("_before_s", "_every_s", "_last_s", "_since_s", "_worst_s")

    def __init__(self, every_s: float, now_s: float) -> None:
        self._every_s = every_s
        self.begin(now_s)

    def begin(self, now_s: float) -> None:
        """Note that the loop begins only now."""
        self._last_s = self._since_s = now_s
        self._worst_s = self._before_s = 0.0

    def tick(self, now_s: float) -> None:
        """Note that the loop came round."""
        late_s = now_s - self._last_s - self._every_s
        self._last_s = now_s
        if now_s - self._since_s >= WINDOW_S:
            self._before_s, self._worst_s, self._since_s = self._worst_s, 0.0, now_s
        if late_s > self._worst_s:
            self._worst_s = late_s

    def age_s(self, now_s: float) -> float:
        """Return how long ago the loop came round."""
        return max(0.0, now_s - self._last_s)

    def late_s(self, now_s: float) -> float:
        """Return how late it came at worst within the last half to whole minute, or is now."""
        return max(self._worst_s, self._before_s, self.age_s(now_s) - self._every_s)


class Movement:
    """Watches work that is open: for how long nothing of it has ended. As exact as it is asked often."""

    __slots__ = ("_ended", "_since_s")

    def __init__(self) -> None:
        self._ended = -1
        self._since_s = 0.0

    def still_s(self, ended: int, open_: int, now_s: float) -> float:
        """Return for how long nothing has ended although something is open.

        Args:
            ended: How much has ended since the start.
            open_: How much is open.
            now_s: The monotonic clock.
        """
        if ended != self._ended or not open_:
            self._ended, self._since_s = ended, now_s
        return now_s - self._since_s
