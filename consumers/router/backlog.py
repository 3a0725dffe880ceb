"""Records that were read and not yet routed, in lanes that take turns. Pure: time is an argument.

A lane holds the records of one publisher in one partition (they share a key), in their order. Lanes take turns, so
that a publisher who sends a flood waits for himself, and one who sends a single event hardly waits.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection

from tocsin.kafka.reader import Part, Record

Lane = tuple[Part, bytes | None]


class Backlog:
    """Lanes of records, taken in turns."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Record]] = {}
        self._turns: deque[Lane] = deque()
        self._held: list[tuple[float, Lane]] = []

    def __len__(self) -> int:
        return sum(len(records) for records in self._lanes.values())

    def add(self, record: Record) -> None:
        """Put a record at the end of its lane."""
        lane = _lane(record)
        records = self._lanes.get(lane)
        if records is None:
            self._lanes[lane] = deque((record,))
            self._turns.append(lane)
        else:
            records.append(record)

    def ready(self, now_s: float) -> bool:
        """Return whether `take` would return a record."""
        self._release(now_s)
        return bool(self._turns)

    def take(self, now_s: float) -> Record | None:
        """Take out and return the first record of the lane whose turn it is; None if every lane is empty or held."""
        self._release(now_s)
        if not self._turns:
            return None
        lane = self._turns.popleft()
        records = self._lanes[lane]
        record = records.popleft()
        if records:
            self._turns.append(lane)
        else:
            del self._lanes[lane]
        return record

    def hold(self, record: Record, until_s: float) -> None:
        """Put a record that was just taken back in its place, and its lane out of turn until `until_s`."""
        lane = _lane(record)
        if lane in self._lanes:
            self._lanes[lane].appendleft(record)
            self._turns.remove(lane)
        else:
            self._lanes[lane] = deque((record,))
        heapq.heappush(self._held, (until_s, lane))

    def drop(self, parts: Collection[Part]) -> None:
        """Forget the records of these partitions."""
        self._lanes = {lane: records for lane, records in self._lanes.items() if lane[0] not in parts}
        self._turns = deque(lane for lane in self._turns if lane in self._lanes)
        self._held = [entry for entry in self._held if entry[1] in self._lanes]
        heapq.heapify(self._held)

    def _release(self, now_s: float) -> None:
        while self._held and self._held[0][0] <= now_s:
            self._turns.append(heapq.heappop(self._held)[1])


def _lane(record: Record) -> Lane:
    return record.part, record.key
