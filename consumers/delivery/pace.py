"""The pace of one endpoint: how many POSTs may be in flight to it. Pure; time and jitter are arguments.

Additive increase, multiplicative decrease, as TCP shares a line: successes raise the limit while it is in use and
answers come as quickly as ever; 429, 503, timeouts and answers that break off halve it, at most once per round trip.
A fast endpoint soon takes all there is; a hanging one costs the sockets it was started with, then one.

Below one at a time the decrease goes on: an endpoint at the floor that still fails so rests before the next POST, longer
each time, until one succeeds. Such a POST costs as much as three that are delivered: a connection of its own, a record
in a delay tier, and the way back.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, Literal

Signal = Literal["success", "overload", "neutral"]

START: Final = 8.0
FLOOR: Final = 1.0
CEILING: Final = 1_024.0
REST_MIN_S: Final = 0.1
REST_MAX_S: Final = 2.0
"""Below the shortest retry interval: who is mended gets the next delivery soon."""
QUEUEING_S: Final = 0.01
"""An answer that takes this much longer than twice the quickest has waited at the endpoint: more POSTs at once
would only wait longer."""
RATE_HALF_LIFE_S: Final = 5.0
RATE_KNOWN_AFTER_S: Final = 1.0
QUICKEST_DOUBLES_S: Final = 300.0
"""The quickest answer is forgotten this slowly, so that a path that has become slower is learned."""
RISING_S: Final = 1.0
"""An endpoint whose limit has doubled until this recently has not shown yet what it takes."""


class Rate:
    """How many POSTs end per second: a decaying count, over the decaying length of the time that was looked at."""

    __slots__ = ("_began_s", "_counted", "_counted_at_s")

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._counted = 0.0
        self._counted_at_s = 0.0

    def begin(self, now_s: float) -> None:
        """Note that counting makes sense from now on; only the first call counts."""
        if self._began_s is None:
            self._began_s = self._counted_at_s = now_s

    def count(self, now_s: float) -> None:
        """Count one that ended."""
        self._counted = self._decayed(now_s) + 1
        self._counted_at_s = now_s

    def per_second(self, now_s: float) -> float | None:
        """Return the rate, or None while it was looked at too short to say."""
        if self._began_s is None or now_s - self._began_s < RATE_KNOWN_AFTER_S:
            return None
        looked_at = 1.0 - 0.5 ** ((now_s - self._began_s) / RATE_HALF_LIFE_S)
        return float(self._decayed(now_s) * _LN2 / RATE_HALF_LIFE_S / looked_at)

    def _decayed(self, now_s: float) -> float:
        return float(self._counted * 0.5 ** (max(0.0, now_s - self._counted_at_s) / RATE_HALF_LIFE_S))


class Pace:
    """What is known of one endpoint's capacity.

    Args:
        jitter: Numbers from 0 to 1, by which rests differ.

    Attributes:
        limit: In-flight cap.
        in_flight: POSTs open now.
        held_until_s: No POST before this moment; the endpoint asked for it with Retry-After, or rests.
    """

    __slots__ = (
        "_cut_at_s",
        "_jitter",
        "_quickest_at_s",
        "_quickest_s",
        "_rate",
        "_rest_s",
        "_rose_at_s",
        "_slow_start",
        "held_until_s",
        "in_flight",
        "limit",
    )

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self.limit = START
        self.in_flight = 0
        self._jitter = jitter
        self.held_until_s = 0.0
        self._slow_start = True
        self._cut_at_s = float("-inf")
        self._quickest_s = float("inf")
        self._quickest_at_s = 0.0
        self._rose_at_s = float("-inf")
        self._rest_s = 0.0
        self._rate = Rate()

    def started(self, now_s: float) -> None:
        """Note that a POST begins."""
        self.in_flight += 1
        self._rate.begin(now_s)

    def ended(
        self, signal: Signal, *, started_s: float, now_s: float, retry_after_s: float | None = None
    ) -> None:
        """Note how a POST ended.

        Args:
            signal: `success`; `overload` for what a server does that is at its end: 429, 503, no answer in time, or one
                that breaks off; `neutral` for what says nothing of capacity.
            started_s: When it began.
            now_s: Now.
            retry_after_s: What the endpoint asked for, if it did.
        """
        was_needed = self.in_flight * 2 >= self.limit
        self.in_flight -= 1
        self._rate.count(now_s)
        if signal == "success":
            at_once = self._at_once(now_s - started_s, now_s)
            if was_needed and at_once:
                self._rise(now_s)
            self._slow_start = self._slow_start and at_once
            self._rest_s = 0.0
        elif signal == "overload":
            self._cut(started_s, now_s)
            if retry_after_s is not None:
                self._hold(now_s + retry_after_s)

    def rate(self, now_s: float) -> float | None:
        """Return how many POSTs end per second, or None while it has been in use too short to say."""
        return self._rate.per_second(now_s)

    def rising(self, now_s: float) -> bool:
        """Return whether it is still being found out how much the endpoint takes: its rate says nothing yet."""
        return self._slow_start and now_s - self._rose_at_s < RISING_S

    def _rise(self, now_s: float) -> None:
        if self.limit < CEILING:
            self.limit = min(CEILING, self.limit + (1.0 if self._slow_start else 1.0 / self.limit))
            self._rose_at_s = now_s

    def _at_once(self, took_s: float, now_s: float) -> bool:
        faded_s = self._quickest_s * 2 ** ((now_s - self._quickest_at_s) / QUICKEST_DOUBLES_S)
        self._quickest_s, self._quickest_at_s = min(took_s, faded_s), now_s
        return took_s <= 2 * self._quickest_s + QUEUEING_S

    def _hold(self, until_s: float) -> None:
        self.held_until_s = max(self.held_until_s, until_s)

    def _cut(self, started_s: float, now_s: float) -> None:
        self._slow_start = False
        # Many that began before the last cut tell of the same trouble.
        if started_s < self._cut_at_s:
            return
        self._cut_at_s = now_s
        if self.limit > FLOOR:
            self.limit = max(FLOOR, self.limit / 2)
            return
        self._rest_s = min(REST_MAX_S, max(REST_MIN_S, 2 * self._rest_s))
        # Endpoints behind one broken gateway fail together, and must not be asked together again.
        self._hold(now_s + self._rest_s * (1 - self._jitter() / 2))


_LN2: Final = 0.693147
