"""What waits in the whole installation, as metrics: asked of Kafka now and then, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final

from control.backlog import Backlog
from tocsin.errors import KafkaUnavailable
from tocsin.telemetry import metrics
from tocsin.telemetry.meter import Labels, Meter

AGAIN_S: Final = 10.0
KEPT_S: Final = 60.0
"""What is older is not told any more: no series is better than a wrong one."""

_log = logging.getLogger("tocsin.control")


class Gauges:
    """Tells the backlog to whoever collects; the asking never waits for Kafka.

    Args:
        read: Returns what waits now; raises KafkaUnavailable.
        clock_s: The monotonic clock.
    """

    def __init__(self, read: Callable[[], Backlog], clock_s: Callable[[], float]) -> None:
        self._read = read
        self._clock_s = clock_s
        self._known: tuple[float, Backlog] | None = None
        self._asked_at_s = float("-inf")
        self._asking = threading.Lock()

    def watch(self, meter: Meter) -> None:
        """Tell a meter."""
        meter.observe(metrics.LAG, lambda: self._of(_lag))
        meter.observe(metrics.BACKLOG, lambda: self._of(_counts))
        meter.observe(metrics.BACKLOG_AGE, lambda: self._of(_ages))

    def _of(self, series: Callable[[Backlog], Mapping[Labels, float]]) -> Mapping[Labels, float]:
        now_s = self._clock_s()
        if now_s - self._asked_at_s > AGAIN_S and self._asking.acquire(blocking=False):
            self._asked_at_s = now_s
            threading.Thread(target=self._ask, name="backlog", daemon=True).start()
        known = self._known
        return series(known[1]) if known is not None and now_s - known[0] < KEPT_S else {}

    def _ask(self) -> None:
        try:
            self._known = self._clock_s(), self._read()
        except KafkaUnavailable as error:
            _log.warning("the backlog is not known: %s", error)
        finally:
            self._asking.release()


def _lag(backlog: Backlog) -> Mapping[Labels, float]:
    return {labels: float(count) for labels, count in backlog.lag.items()}


def _counts(backlog: Backlog) -> Mapping[Labels, float]:
    counts = {"live": backlog.live, "due": backlog.due}
    counts |= {tier: each.count for tier, each in backlog.tiers.items()}
    return {(name,): float(number) for name, number in counts.items()}


def _ages(backlog: Backlog) -> Mapping[Labels, float]:
    ages = {"live": backlog.live_age_s, "due": backlog.due_age_s}
    ages |= {tier: each.oldest_age_s for tier, each in backlog.tiers.items()}
    counts = _counts(backlog)
    # Of something that waits and could not be read in time nothing is said, of nothing that it is 0.
    return {(name,): age_s or 0.0 for name, age_s in ages.items() if age_s is not None or not counts[(name,)]}
