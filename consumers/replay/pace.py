"""How fast a replay goes. Pure: time is an argument."""

from __future__ import annotations

from typing import Final

SLACK_S: Final = 0.1
"""How much of the past may be made up for: a replay held up by a slow broker does not burst afterwards."""

STEP_S: Final = 0.02
"""Nobody waits for less: turns of the next moment are taken together, because to wake up for each costs everybody more
than the turn itself."""


class Pace:
    """Turns at a rate, evenly spaced but for a step.

    Args:
        rate_per_s: Turns a second, more than 0.
        now_s: When the first turn may be.
    """

    def __init__(self, rate_per_s: float, now_s: float) -> None:
        self._between_s = 1 / rate_per_s
        self._next_s = now_s

    def take(self, now_s: float) -> float:
        """Take the next turn and return how many seconds to wait for it: none, or a step at least."""
        turn_s = max(self._next_s, now_s - SLACK_S)
        self._next_s = turn_s + self._between_s
        return turn_s - now_s if turn_s - now_s >= STEP_S else 0.0
