"""Who is next: deliveries wait in a lane of their endpoint's own, and endpoints take turns.

Pure; time is an argument. Live work goes before due work, but every fourth turn is due work's, so that neither starves:
among endpoints, so that a replay to some does not stand in front of the others, and within a lane. An endpoint at its
limit, or one that asked for a pause, is passed over and costs nothing.

Within a lane each partition has a queue of its own: what overflows or is handed back is found without looking at
the rest.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Generic, Protocol, TypeVar

from consumers.delivery.pace import Pace, Rate, Signal
from tocsin import tiers

DUE_EVERY: Final = 4
SOON_S: Final = 2.0 * tiers.seconds(tiers.SHORTEST)
PATIENCE: Final = 2.0
"""In a process that does not keep up, whose queue takes this many times as long as all together is slow itself."""
IDLE_LANES_MAX: Final = 10_000
"""Lanes that are remembered; beyond it half of the idle ones, the first known, are forgotten with their paces."""


class Waiting(Protocol):
    """What waits in a lane."""

    @property
    def endpoint(self) -> str: ...

    @property
    def live(self) -> bool: ...

    @property
    def part(self) -> Hashable:
        """The partition whose window it fills."""


W = TypeVar("W", bound=Waiting)


class _Queues(Generic[W]):
    """First in, first out within each partition; partitions take turns. One endpoint's work is of one, nearly always."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: dict[Hashable, deque[W]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, work: W) -> None:
        queue = self._parts.get(work.part)
        if queue is None:
            queue = self._parts[work.part] = deque()
        queue.append(work)
        self._size += 1

    def pop(self) -> W:
        part = next(iter(self._parts))
        work = self.pop_of(part)
        if len(self._parts) > 1 and part in self._parts:
            self._parts[part] = self._parts.pop(part)
        return work

    def pop_of(self, part: Hashable) -> W:
        queue = self._parts[part]
        work = queue.popleft()
        if not queue:
            del self._parts[part]
        self._size -= 1
        return work

    def size_of(self, part: Hashable) -> int:
        return len(self._parts.get(part, ()))


@dataclass(slots=True)
class _Lane(Generic[W]):
    pace: Pace = field(default_factory=Pace)
    live: _Queues[W] = field(default_factory=_Queues)
    due: _Queues[W] = field(default_factory=_Queues)
    turns: int = 0
    held: bool = False

    def __len__(self) -> int:
        return len(self.live) + len(self.due)

    def idle(self, now_s: float) -> bool:
        return not len(self) and not self.pace.in_flight and self.pace.held_until_s <= now_s

    def pop(self) -> W:
        self.turns += 1
        due_turn = self.turns % DUE_EVERY == 0
        first, second = (self.due, self.live) if due_turn else (self.live, self.due)
        return first.pop() if first else second.pop()

    def pop_of(self, part: Hashable) -> W:
        return (self.due if self.due.size_of(part) else self.live).pop_of(part)

    def size_of(self, part: Hashable) -> int:
        return self.due.size_of(part) + self.live.size_of(part)


class Lanes(Generic[W]):
    """All lanes of a process.

    Args:
        total: POSTs that may be in flight at once, over all endpoints.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._in_flight = 0
        self._waiting = 0
        self._rate = Rate()
        self._lanes: dict[str, _Lane[W]] = {}
        self._parts: dict[
            Hashable, set[str]
        ] = {}  # endpoints that had work of a partition; some may have none left
        # Lanes that may be sent from, in order, those with live work apart; some may be at their limit or empty again.
        self._live: OrderedDict[str, _Lane[W]] = OrderedDict()
        self._due: OrderedDict[str, _Lane[W]] = OrderedDict()
        self._turns = 0
        self._held: list[tuple[float, str]] = []
        self._forget_at = IDLE_LANES_MAX

    @property
    def in_flight(self) -> int:
        """POSTs open now."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """Deliveries that wait for their turn."""
        return self._waiting

    def add(self, work: W, now_s: float) -> None:
        """Queue a delivery at the end of its lane."""
        lane = self._lanes.get(work.endpoint)
        if lane is None:
            self._forget_idle(now_s)
            lane = self._lanes[work.endpoint] = _Lane()
        (lane.live if work.live else lane.due).add(work)
        self._parts.setdefault(work.part, set()).add(work.endpoint)
        self._waiting += 1
        self._rate.begin(now_s)
        self._offer(work.endpoint, lane, now_s)

    def take(self, now_s: float) -> W | None:
        """Return the next delivery that may start, and count it as in flight; None if none may."""
        self._release(now_s)
        if self._in_flight >= self._total:
            return None
        is_dues_turn = (self._turns + 1) % DUE_EVERY == 0
        for queue in (self._due, self._live) if is_dues_turn else (self._live, self._due):
            while queue:
                endpoint, lane = queue.popitem(last=False)
                if lane.pace.held_until_s > now_s:
                    self._offer(endpoint, lane, now_s)
                elif lane.pace.in_flight < int(lane.pace.limit) and len(lane):
                    return self._begin(endpoint, lane, now_s)
        return None

    def done(
        self,
        endpoint: str,
        signal: Signal,
        *,
        started_s: float,
        now_s: float,
        retry_after_s: float | None = None,
    ) -> None:
        """Note how a POST that `take` let start has ended."""
        lane = self._lanes[endpoint]
        self._in_flight -= 1
        self._rate.count(now_s)
        lane.pace.ended(signal, started_s=started_s, now_s=now_s, retry_after_s=retry_after_s)
        self._offer(endpoint, lane, now_s)

    def remove(self, parts: Collection[Hashable]) -> list[W]:
        """Take out and return all that waits of some partitions."""
        return [
            work
            for part in parts
            for endpoint in self._parts.pop(part, ())
            for work in self._pop_of(endpoint, part)
        ]

    def overflow(
        self, part: Hashable, most: int, now_s: float, *, saturated: bool = False
    ) -> list[tuple[W, float]]:
        """Take out what an endpoint can't take soon, oldest first, each with the seconds it would have waited.

        What an endpoint takes within `SOON_S` stays: it must not run dry while its work is parked, and a burst to an
        endpoint that keeps up is not slowed.

        Args:
            part: The partition whose window fills.
            most: How many to take out at most; the slowest endpoint's go first.
            now_s: Now.
            saturated: This process is what everybody waits for. Then only endpoints far slower than the rest are to
                blame, and to park the others' work would cost it even more.
        """
        slow = sorted(self._slow(part, now_s, self._patience_s(now_s) if saturated else SOON_S), reverse=True)
        parked: list[tuple[W, float]] = []
        for wait_s, endpoint, spare in slow:
            lane = self._lanes[endpoint]
            count = min(spare, most - len(parked))
            parked += [(lane.pop_of(part), wait_s) for _ in range(count)]
        self._waiting -= len(parked)
        return parked

    def lengths(self) -> dict[str, int]:
        """Return how many deliveries wait for each endpoint that is known; from any thread."""
        return {name: len(lane) for name, lane in self._lanes.copy().items()}

    def limits(self) -> dict[str, int]:
        """Return how many POSTs may be open to each endpoint that is known; from any thread."""
        return {name: int(lane.pace.limit) for name, lane in self._lanes.copy().items()}

    def _patience_s(self, now_s: float) -> float:
        return max(SOON_S, PATIENCE * _wait_s(self._waiting, self._rate.per_second(now_s) or 0.0, stuck=0.0))

    def _slow(self, part: Hashable, now_s: float, patience_s: float) -> Iterator[tuple[float, str, int]]:
        """Yield endpoints that do not keep up: how long their work waits, and how many of the partition need not stay."""
        for endpoint in list(self._parts.get(part, ())):
            lane = self._lanes.get(endpoint)
            size = lane.size_of(part) if lane is not None else 0
            if lane is None or not size:
                self._parts[part].discard(endpoint)
                continue
            rate = lane.pace.rate(now_s)
            if rate is None or lane.pace.rising(now_s):
                continue
            spare = size - ceil(patience_s * rate)
            if spare > 0:
                yield _wait_s(len(lane), rate, stuck=float("inf")), endpoint, spare

    def _pop_of(self, endpoint: str, part: Hashable) -> list[W]:
        lane = self._lanes.get(endpoint)
        works = [lane.pop_of(part) for _ in range(lane.size_of(part))] if lane is not None else []
        self._waiting -= len(works)
        return works

    def _begin(self, endpoint: str, lane: _Lane[W], now_s: float) -> W:
        work = lane.pop()
        lane.pace.started(now_s)
        self._turns += 1
        self._in_flight += 1
        self._waiting -= 1
        self._offer(endpoint, lane, now_s)
        return work

    def _offer(self, endpoint: str, lane: _Lane[W], now_s: float) -> None:
        has_live = len(lane.live) > 0
        if endpoint in self._live or (endpoint in self._due and not has_live):
            return
        if not (has_live or len(lane.due)) or lane.pace.in_flight >= int(lane.pace.limit):
            return
        if lane.pace.held_until_s > now_s:
            if not lane.held:
                lane.held = True
                heapq.heappush(self._held, (lane.pace.held_until_s, endpoint))
        else:
            (self._live if has_live else self._due)[endpoint] = lane

    def _release(self, now_s: float) -> None:
        while self._held and self._held[0][0] <= now_s:
            endpoint = heapq.heappop(self._held)[1]
            lane = self._lanes.get(endpoint)
            if lane is not None:
                lane.held = False
                self._offer(endpoint, lane, now_s)

    def _forget_idle(self, now_s: float) -> None:
        if len(self._lanes) < self._forget_at:
            return
        idle = [name for name, lane in self._lanes.items() if lane.idle(now_s)]
        forgotten = idle[: len(idle) // 2 + 1]
        for name in forgotten:
            del self._lanes[name]
            self._live.pop(name, None)
            self._due.pop(name, None)
        for names in self._parts.values():
            names.difference_update(forgotten)
        # Where hardly any is idle, the next is not looked for with every new lane: that takes milliseconds.
        self._forget_at = max(IDLE_LANES_MAX, len(self._lanes) + IDLE_LANES_MAX // 8)


def _wait_s(waiting: int, rate: float, *, stuck: float) -> float:
    """Return how long `waiting` deliveries take at a rate; `stuck` where nothing moves."""
    return waiting / rate if rate > 0.01 else stuck
