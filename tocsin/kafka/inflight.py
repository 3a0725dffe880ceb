"""Records whose effects are being written, counted per assignment, so that a revoke can wait for just its own."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Final

from tocsin.kafka.reader import Part, Record

WAIT_S: Final = 0.01


class InFlight:
    """Counts begun and not yet ended records. Any thread may call any method."""

    def __init__(self) -> None:
        self._open: Counter[tuple[Part, int]] = Counter()
        self._lock = threading.Lock()

    def begin(self, record: Record) -> None:
        """Note that effects of a record begin to be written."""
        with self._lock:
            self._open[record.part, record.epoch] += 1

    def end(self, record: Record) -> None:
        """Note that they have all ended; call it after `reader.finish`, so that whoever waits finds it finished."""
        with self._lock:
            assignment = record.part, record.epoch
            if assignment not in self._open:
                return  # forgotten: it belongs to the partition's new owner
            self._open[assignment] -= 1
            if not self._open[assignment]:
                del self._open[assignment]

    def __len__(self) -> int:
        with self._lock:
            return self._open.total()

    def drain(self, parts: Collection[Part], deadline_s: float, wait: Callable[[float], None]) -> bool:
        """Wait until nothing of these partitions is open, at most until `deadline_s` on the monotonic clock.

        Args:
            wait: Lets writes end, for at most so many seconds.

        Returns:
            Whether that was so in time.
        """
        while any(part in parts for part, _ in self._assignments()):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            wait(min(left_s, WAIT_S))
        return True

    def forget(self, parts: Collection[Part]) -> None:
        """Count nothing of these partitions any longer; they are not ours."""
        with self._lock:
            for assignment in [assignment for assignment in self._open if assignment[0] in parts]:
                del self._open[assignment]

    def _assignments(self) -> list[tuple[Part, int]]:
        with self._lock:
            return list(self._open)
