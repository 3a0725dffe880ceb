"""Which endpoints are told of by name: those that fail or wait the most. Pure: time is an argument.

A metric with a series for every endpoint would grow with the number of tenants; one without any could not say whose
endpoint it is. So some are named, and all others are one series together, which keeps sums right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from heapq import nlargest
from typing import Final

from tocsin.telemetry.metrics import ENDPOINTS_MOST, OTHER

WINDOW_S: Final = 300.0
REMEMBERED_MOST: Final = 10_000
"""Endpoints whose failures are counted each on its own; with so many failing, further ones are `OTHER` at once."""


class Failures:
    """Failed POSTs by endpoint, of the last one to two windows."""

    __slots__ = ("_before", "_now", "_since_s")

    def __init__(self, now_s: float) -> None:
        self._since_s = now_s
        self._now: Counter[str] = Counter()
        self._before: Counter[str] = Counter()

    def note(self, endpoint: str, now_s: float) -> None:
        """Note a failed POST."""
        self._turn(now_s)
        known = endpoint in self._now or len(self._now) < REMEMBERED_MOST
        self._now[endpoint if known else OTHER] += 1

    def counts(self, now_s: float) -> Counter[str]:
        """Return how many each endpoint has; the result is the caller's. From any thread."""
        if now_s - self._since_s >= 2 * WINDOW_S:
            return Counter()
        recent = self._now.copy()
        return recent if now_s - self._since_s >= WINDOW_S else recent + self._before.copy()

    def _turn(self, now_s: float) -> None:
        passed_s = now_s - self._since_s
        if passed_s >= WINDOW_S:
            self._before = self._now if passed_s < 2 * WINDOW_S else Counter()
            self._now = Counter()
            self._since_s = now_s


def named(failures: Mapping[str, int], waiting: Mapping[str, int], most: int = ENDPOINTS_MOST) -> set[str]:
    """Return the endpoints to tell of by name, at most `most`: half for their failures, half for what waits for them."""
    worst = nlargest(most // 2, (name for name in failures if name != OTHER), key=failures.__getitem__)
    slowest = nlargest(
        most - len(worst), (name for name in waiting if waiting[name]), key=waiting.__getitem__
    )
    return {*worst, *slowest}


def together(values: Mapping[str, int], names: set[str]) -> dict[tuple[str, ...], float]:
    """Return a series for each name that has a value, and one for all others."""
    series: dict[tuple[str, ...], float] = {(name,): values[name] for name in names if name in values}
    series[OTHER,] = sum(values.values()) - sum(series.values())
    return series
