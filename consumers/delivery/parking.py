"""Parking: where a partition's window fills, what its endpoint does not take soon waits in a delay tier instead."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from consumers.delivery import saturation
from consumers.delivery.lanes import Lanes
from consumers.delivery.outbox import Outbox
from consumers.delivery.saturation import Saturation
from consumers.delivery.work import Work
from tocsin.kafka.reader import Part

_log = logging.getLogger("tocsin.delivery")

PARK_AT: Final = 0.75
"""A partition whose window is this full parks what does not keep up."""
PARK_AT_ONCE: Final = 8
"""Between so many, everybody else has a turn of the loop: parking one costs about as much as a POST."""
PARK_OWED_MOST: Final = 64
"""Parking waits while so many writes are not acknowledged, far below what would keep everybody's POSTs waiting."""
PARK_AGAIN_S: Final = 0.003
NOTE_EVERY_S: Final = 0.2
"""Between two looks at how busy the process is, which open a file for each of its threads."""


class Parking:
    """Takes out of the lanes what does not keep up, a few at a time.

    Args:
        lanes: Where deliveries wait.
        outbox: Writes what is decided about them.
        park: Decides to park a delivery, which would have waited for so many seconds.
        stopping: Whether the program ends; nothing more is parked then.
    """

    def __init__(
        self,
        lanes: Lanes[Work],
        outbox: Outbox,
        park: Callable[[Work, float], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._lanes = lanes
        self._outbox = outbox
        self._park = park
        self._stopping = stopping
        self._saturation = Saturation(time.monotonic(), saturation.wanted_s())

    def note(self, now_s: float) -> None:
        """Note how busy the process is, if that was not done just now."""
        if now_s - self._saturation.at_s >= NOTE_EVERY_S:
            self._saturation.note(now_s, saturation.wanted_s())

    async def relieve(self, part: Part, fill: float, held: int) -> None:
        """Park what does not keep up in a partition, if its window fills.

        Args:
            fill: How full its window is; 1 is full.
            held: How many of its deliveries are open.
        """
        if fill < PARK_AT:
            return
        most, parked = int(held * (1 - PARK_AT / fill)) + 1, 0
        while parked < most and not self._stopping() and not self._outbox.stalled():
            if self._outbox.owed >= PARK_OWED_MOST:
                await asyncio.sleep(PARK_AGAIN_S)
                continue
            works = self._lanes.overflow(
                part, min(PARK_AT_ONCE, most - parked), time.monotonic(), saturated=bool(self._saturation)
            )
            for work, wait_s in works:
                self._park(work, wait_s)
            parked += len(works)
            if not works:
                break
            await asyncio.sleep(0)
        if parked:
            _log.debug("%s %d: parked %d deliveries of endpoints that do not keep up", *part, parked)
