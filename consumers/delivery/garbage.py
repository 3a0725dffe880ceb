"""Python's garbage, looked for in small steps that nobody notices.

The interpreter looks through its young objects once so many more were made than freed. Where deliveries come as fast as
others end, that number stands still while what is kept piles up, and the look that comes at last takes tens of
milliseconds. So the loop asks for one itself each time it comes round: the same work, a little at a time.
"""

from __future__ import annotations

import gc
from typing import Final

OLDER_EVERY: Final = 20
"""Steps between two looks through what earlier ones have passed."""


class Garbage:
    """The steps of one loop."""

    def __init__(self) -> None:
        self._steps = 0

    def step(self) -> None:
        """Look through what is new since the last step, and now and then through what is new since longer ago."""
        self._steps += 1
        gc.collect(0 if self._steps % OLDER_EVERY else 1)
