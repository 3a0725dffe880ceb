"""Python's garbage, looked for in small steps that nobody notices.

The interpreter looks through its young objects once so many more were made than freed. Where deliveries come as fast as
others end, that number stands still while what is kept piles up, and the look that comes at last takes tens of
milliseconds. So the loop looks by itself, often: the same work, a little at a time.
"""

from __future__ import annotations

import asyncio
import gc
from typing import Final

STEP_EVERY_S: Final = 0.05
OLDER_EVERY: Final = 20
"""Steps between two looks through what earlier ones have passed."""


class Garbage:
    """The steps of one loop, from now on until it is closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._steps = 0
        self._timer = loop.call_later(STEP_EVERY_S, self._step)

    def close(self) -> None:
        """Leave it to the interpreter again."""
        self._timer.cancel()

    def _step(self) -> None:
        self._steps += 1
        gc.collect(0 if self._steps % OLDER_EVERY else 1)
        self._timer = self._loop.call_later(STEP_EVERY_S, self._step)
