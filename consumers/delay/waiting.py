"""What waits in delay tiers, and where it goes when it is due. Pure: time is an argument.

A record is due when the broker's append time plus its tier's delay has come. No header says so, so nothing that a
header claims can make it early. A tier is one topic with one delay, so a partition is due in the order it was
written; only a broker whose clock went back breaks that, and the heap does not mind.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from tocsin import tiers
from tocsin.deliveries import Progress

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a due record goes: on to a tier, or to be delivered when `tier` is None."""

    tier: str | None
    progress: Progress


def onward(progress: Progress) -> Hop:
    """Return where a record goes whose tier is over.

    Who waits for longer than one tier waits in a chain of them: each hop is a step of its own. To be delivered,
    it keeps the step it had, which was raised when it was sent waiting.
    """
    if not progress.remaining_s:
        return Hop(None, progress)
    tier, left_s = tiers.chain(progress.remaining_s)
    return Hop(tier, replace(progress, step=progress.step + 1, remaining_s=left_s))


class Waiting(Generic[T]):
    """Items by the moment they are due; those due at the same moment come in the order they were added."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._added = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due_ms: int, item: T) -> None:
        """Let an item wait until `due_ms`."""
        heapq.heappush(self._heap, (due_ms, self._added, item))
        self._added += 1

    def due(self, now_ms: float) -> T | None:
        """Take out and return the item that has been due for longest; None if none is due."""
        if not self._heap or self._heap[0][0] > now_ms:
            return None
        return heapq.heappop(self._heap)[2]

    def wait_s(self, now_ms: float, most_s: float) -> float:
        """Return how long it is until the next item is due, at least 0 and at most `most_s`."""
        if not self._heap:
            return most_s
        return min(max(0.0, (self._heap[0][0] - now_ms) / 1000), most_s)

    def drop(self, unwanted: Callable[[T], bool]) -> None:
        """Forget the items that are unwanted."""
        self._heap = [entry for entry in self._heap if not unwanted(entry[2])]
        heapq.heapify(self._heap)
