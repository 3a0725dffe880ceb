"""Who is next: deliveries wait in a lane of their endpoint's own, and endpoints take turns.

Pure; time is an argument. A lane gives live work before due work, but every fourth turn to due work, so that
neither starves. An endpoint at its limit, or one that asked for a pause, is passed over and costs nothing.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Generic, Protocol, TypeVar

from consumers.delivery.pace import Pace, Signal
from tocsin import tiers

DUE_EVERY: Final = 4
SOON_S: Final = 2.0 * tiers.seconds(tiers.SHORTEST)
IDLE_LANES_MAX: Final = 10_000
"""Paces of idle endpoints that are remembered; beyond it the longest idle are forgotten."""


class Waiting(Protocol):
    """What waits in a lane."""

    @property
    def endpoint(self) -> str: ...

    @property
    def live(self) -> bool: ...


W = TypeVar("W", bound=Waiting)


@dataclass(slots=True)
class _Lane(Generic[W]):
    pace: Pace = field(default_factory=Pace)
    live: deque[W] = field(default_factory=deque)
    due: deque[W] = field(default_factory=deque)
    turns: int = 0
    ready: bool = False
    held: bool = False

    def __len__(self) -> int:
        return len(self.live) + len(self.due)

    def pop(self) -> W:
        self.turns += 1
        due_turn = self.turns % DUE_EVERY == 0
        first, second = (self.due, self.live) if due_turn else (self.live, self.due)
        return first.popleft() if first else second.popleft()


class Lanes(Generic[W]):
    """All lanes of a process.

    Args:
        total: POSTs that may be in flight at once, over all endpoints.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._in_flight = 0
        self._lanes: dict[str, _Lane[W]] = {}
        self._ready: deque[str] = deque()
        self._held: list[tuple[float, str]] = []

    @property
    def in_flight(self) -> int:
        """POSTs open now."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """Deliveries that wait for their turn."""
        return sum(len(lane) for lane in self._lanes.values())

    def add(self, work: W, now_s: float) -> None:
        """Queue a delivery at the end of its lane."""
        lane = self._lanes.get(work.endpoint)
        if lane is None:
            lane = self._lanes[work.endpoint] = _Lane()
            self._forget_idle()
        (lane.live if work.live else lane.due).append(work)
        self._offer(work.endpoint, lane, now_s)

    def take(self, now_s: float) -> W | None:
        """Return the next delivery that may start, and count it as in flight; None if none may."""
        self._release(now_s)
        if self._in_flight >= self._total or not self._ready:
            return None
        endpoint = self._ready.popleft()
        lane = self._lanes[endpoint]
        lane.ready = False
        work = lane.pop()
        lane.pace.started(now_s)
        self._in_flight += 1
        self._offer(endpoint, lane, now_s)
        return work

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
        lane.pace.ended(signal, started_s=started_s, now_s=now_s, retry_after_s=retry_after_s)
        self._offer(endpoint, lane, now_s)

    def remove(self, unwanted: Callable[[W], bool]) -> int:
        """Take out what waits and is wanted no longer; return how many."""
        removed = 0
        for lane in self._lanes.values():
            before = len(lane)
            lane.live = deque(work for work in lane.live if not unwanted(work))
            lane.due = deque(work for work in lane.due if not unwanted(work))
            removed += before - len(lane)
        self._ready = deque(name for name in self._ready if self._still_ready(name))
        return removed

    def overflow(self, among: Callable[[W], bool], spare: int, now_s: float) -> list[tuple[W, float]]:
        """Take out what an endpoint can't take soon, oldest first, each with the seconds it would have waited.

        What an endpoint takes within `SOON_S` stays: it must not run dry while its work is parked, and a burst to an
        endpoint that keeps up is not slowed. Beyond that, and beyond the endpoint's share, goes.

        Args:
            among: Which waiting deliveries count: those of the partition whose window fills.
            spare: How many of them may stay in all, over all endpoints.
            now_s: Now.
        """
        chosen = {name: [work for work in _both(lane) if among(work)] for name, lane in self._lanes.items()}
        chosen = {name: works for name, works in chosen.items() if works}
        if sum(map(len, chosen.values())) <= spare or not chosen:
            return []
        share = spare // len(chosen)
        parked: list[tuple[W, float]] = []
        for name, works in chosen.items():
            lane = self._lanes[name]
            rate = lane.pace.rate(now_s)
            if rate is None:
                continue
            stays = max(share, ceil(SOON_S * rate))
            wait_s = len(lane) / rate if rate > 0.01 else float("inf")
            parked += [(work, wait_s) for work in works[: max(0, len(works) - stays)]]
        gone = {id(work) for work, _ in parked}
        self.remove(lambda work: id(work) in gone)
        return parked

    def next_release_s(self) -> float | None:
        """Return when the next endpoint that asked for a pause may be sent to again."""
        return self._held[0][0] if self._held else None

    def _offer(self, endpoint: str, lane: _Lane[W], now_s: float) -> None:
        if lane.ready or not len(lane) or lane.pace.in_flight >= int(lane.pace.limit):
            return
        if lane.pace.held_until_s > now_s:
            if not lane.held:
                lane.held = True
                heapq.heappush(self._held, (lane.pace.held_until_s, endpoint))
            return
        lane.ready = True
        self._ready.append(endpoint)

    def _release(self, now_s: float) -> None:
        while self._held and self._held[0][0] <= now_s:
            endpoint = heapq.heappop(self._held)[1]
            lane = self._lanes.get(endpoint)
            if lane is not None:
                lane.held = False
                self._offer(endpoint, lane, now_s)

    def _still_ready(self, endpoint: str) -> bool:
        lane = self._lanes[endpoint]
        lane.ready = bool(len(lane))
        return lane.ready

    def _forget_idle(self) -> None:
        if len(self._lanes) <= IDLE_LANES_MAX:
            return
        idle = [name for name, lane in self._lanes.items() if not len(lane) and not lane.pace.in_flight]
        for name in idle[: len(idle) // 2 + 1]:
            del self._lanes[name]


def _both(lane: _Lane[W]) -> Iterator[W]:
    yield from lane.due
    yield from lane.live
