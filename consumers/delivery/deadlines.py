"""Time limits of many short steps, with one timer for all of them.

`asyncio.timeout` sets and cancels a timer of the loop each time; that costs more than signing does. A POST's limit
may come a little late, so all limits share one timer that looks at the oldest of each length.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from types import TracebackType
from typing import Final, Self

TICK_S: Final = 0.02
"""How late a limit may come."""


class Deadlines:
    """The running limits of one loop, in order of their ends: those of equal length end as they began."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running: dict[float, OrderedDict[Deadline, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def within(self, length_s: float) -> Deadline:
        """Return a limit for what is done under it: `with deadlines.within(5.0) as deadline: ...`.

        Raises:
            TimeoutError: On leaving, if it was not done in time.
        """
        return Deadline(self, length_s)

    def begin(self, deadline: Deadline, length_s: float) -> None:
        """Let a limit run from now on."""
        self._running.setdefault(length_s, OrderedDict())[deadline] = self._loop.time() + length_s
        if self._timer is None:
            self._timer = self._loop.call_later(TICK_S, self._tick)

    def end(self, deadline: Deadline, length_s: float) -> None:
        """Forget a limit."""
        running = self._running.get(length_s)
        if running is not None:
            running.pop(deadline, None)

    def _tick(self) -> None:
        now_s = self._loop.time()
        for length_s, running in list(self._running.items()):
            while running:
                deadline, at_s = next(iter(running.items()))
                if at_s > now_s:
                    break
                del running[deadline]
                deadline.expire()
            if not running:
                del self._running[length_s]
        self._timer = self._loop.call_later(TICK_S, self._tick) if self._running else None


class Deadline:
    """One limit on the task that enters it; at its end the task is cancelled, and leaves it with a `TimeoutError`."""

    __slots__ = ("_cancelling", "_deadlines", "_expired", "_length_s", "_task")

    def __init__(self, deadlines: Deadlines, length_s: float) -> None:
        self._deadlines = deadlines
        self._length_s = length_s
        self._expired = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline belongs to a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._deadlines.begin(self, self._length_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines.end(self, self._length_s)
        # Somebody else may have cancelled the task too: then that is what counts.
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def restart(self, length_s: float) -> None:
        """Begin anew, with another length; one that has ended already has ended."""
        self._deadlines.end(self, self._length_s)
        self._length_s = length_s
        if not self._expired:
            self._deadlines.begin(self, length_s)

    def expire(self) -> None:
        """Cancel the task."""
        self._expired = True
        self._task.cancel()
