"""The ends of writes, handed from the writer's thread to the event loop: one wake-up for many, one future a request."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from tocsin.kafka.writer import Done, Written


class Batch:
    """The writes of one request; `Acknowledgements.expect` makes them.

    Attributes:
        acknowledged: For each write, whether the broker has acknowledged it so far.
        ended: Done once every write has ended; on the event loop.
    """

    __slots__ = ("_count", "_ends", "_home", "acknowledged", "ended")

    def __init__(self, count: int, ended: asyncio.Future[None], home: Acknowledgements) -> None:
        self.acknowledged = bytearray(count)
        self.ended = ended
        self._count = count
        self._home = home
        # Atomic: a write that is refused at once ends on the thread that began it.
        self._ends = itertools.count(1)

    def done(self, place: int) -> Done:
        """Return what the writer calls when the write at a place has ended."""
        return partial(self._end, place)

    def _end(self, place: int, written: Written) -> None:
        if written.error is None:
            self.acknowledged[place] = 1
            self._home.note_acknowledgement()
        if next(self._ends) == self._count:
            self._home.note_end(self)


class Acknowledgements:
    """Wakes requests whose writes have ended.

    Args:
        clock_s: A monotonic clock.
    """

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._over: deque[Batch] = deque()
        self._waking = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.last_s = float("-inf")
        """When the broker has last acknowledged anything."""

    def expect(self, count: int) -> Batch:
        """Return a batch of at least one write that is about to begin; called on the event loop."""
        self._loop = asyncio.get_running_loop()
        return Batch(count, self._loop.create_future(), self)

    def note_acknowledgement(self) -> None:
        """Remember that the broker answers; on the writer's thread."""
        self.last_s = self._clock_s()

    def note_end(self, batch: Batch) -> None:
        """Wake the request of a batch whose writes have all ended; on the writer's thread."""
        self._over.append(batch)
        if not self._waking and self._loop is not None:
            self._waking = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        # Before the queue is emptied, so that what comes in between is seen now or wakes again.
        self._waking = False
        while self._over:
            ended = self._over.popleft().ended
            if not ended.done():
                ended.set_result(None)
