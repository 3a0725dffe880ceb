"""The effects of one event: it is finished when all of them are acknowledged, however many they become."""

from __future__ import annotations

from collections.abc import Callable


class Effects:
    """Counts the writes that one event causes.

    It begins as one: the making of the effects itself, which ends with `end()` like any of them. So the last
    acknowledgement cannot come before the last write was begun.

    Args:
        done: Called once, when the last has ended.

    Attributes:
        begun: Writes begun.
    """

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done
        self._left = 1
        self.begun = 0

    def begin(self) -> None:
        """Note one more write."""
        self._left += 1
        self.begun += 1

    def end(self) -> None:
        """Note that a write is acknowledged, or that no more will begin."""
        self._left -= 1
        if not self._left:
            self._done()
