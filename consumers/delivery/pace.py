"""The pace of one endpoint: how many POSTs may be in flight to it. Pure; time is an argument.

Additive increase, multiplicative decrease, as TCP shares a line: successes raise the limit while it is in use,
429, 503 and timeouts halve it, at most once per round trip. A fast endpoint soon takes all there is; a hanging one
costs the sockets it was started with, then one.
"""

from __future__ import annotations

from typing import Final, Literal

Signal = Literal["success", "overload", "neutral"]

START: Final = 8.0
FLOOR: Final = 1.0
CEILING: Final = 1_024.0
_RATE_HALF_LIFE_S: Final = 5.0


class Pace:
    """What is known of one endpoint's capacity.

    Attributes:
        limit: In-flight cap.
        in_flight: POSTs open now.
        held_until_s: No POST before this moment; the endpoint asked for it with Retry-After.
    """

    __slots__ = ("_cut_at_s", "_rate", "_rate_at_s", "_slow_start", "held_until_s", "in_flight", "limit")

    def __init__(self) -> None:
        self.limit = START
        self.in_flight = 0
        self.held_until_s = 0.0
        self._slow_start = True
        self._cut_at_s = float("-inf")
        self._rate = 0.0
        self._rate_at_s: float | None = None

    def may_start(self, now_s: float) -> bool:
        """Return whether one more POST may begin."""
        return self.in_flight < int(self.limit) and now_s >= self.held_until_s

    def started(self) -> None:
        """Note that a POST begins."""
        self.in_flight += 1

    def ended(self, signal: Signal, *, started_s: float, now_s: float, retry_after_s: float | None = None) -> None:
        """Note how a POST ended.

        Args:
            signal: `success`; `overload` for 429, 503 and timeouts; `neutral` for what says nothing of capacity.
            started_s: When it began.
            now_s: Now.
            retry_after_s: What the endpoint asked for, if it did.
        """
        was_needed = self.in_flight * 2 >= self.limit
        self.in_flight -= 1
        self._count(now_s)
        if signal == "success" and was_needed:
            self.limit = min(CEILING, self.limit + (1.0 if self._slow_start else 1.0 / self.limit))
        elif signal == "overload":
            if started_s >= self._cut_at_s:
                self.limit = max(FLOOR, self.limit / 2)
                self._cut_at_s = now_s
            self._slow_start = False
            if retry_after_s is not None:
                self.held_until_s = max(self.held_until_s, now_s + retry_after_s)

    def expected_wait_s(self, waiting: int, now_s: float) -> float:
        """Return how long the last of `waiting` deliveries would wait at the present rate."""
        held_s = max(0.0, self.held_until_s - now_s)
        rate = self._decayed(now_s)
        return held_s + (waiting / rate if rate > 0.01 else float("inf"))

    def _count(self, now_s: float) -> None:
        self._rate = self._decayed(now_s) + 0.6931 / _RATE_HALF_LIFE_S
        self._rate_at_s = now_s

    def _decayed(self, now_s: float) -> float:
        if self._rate_at_s is None:
            return 0.0
        return float(self._rate * 0.5 ** (max(0.0, now_s - self._rate_at_s) / _RATE_HALF_LIFE_S))
