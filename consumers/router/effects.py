"""The effects of one event: it is finished when all of them are acknowledged, however many they become."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Effects:
    """Counts the writes that one event causes.

    It begins as one: the making of the effects itself, which ends with `end()` like any of them. So the last
    acknowledgement cannot come before the last write was begun.

    Args:
        done: Called once, when the last has ended, on whichever thread ended it.

    Attributes:
        begun: Writes begun.
    """

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done
        self._left = 1
        self.begun = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Note one more write."""
        with self._lock:
            self._left += 1
            self.begun += 1

    def end(self) -> None:
        """Note that a write is acknowledged, or that no more will begin."""
        with self._lock:
            self._left -= 1
            over = self._left == 0
        if over:
            self._done()
