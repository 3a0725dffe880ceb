"""What delivery counts. All of it is counted on the event loop; whoever asks may be on another thread."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from consumers.delivery.failing import Failures, named, together
from consumers.delivery.lanes import Lanes
from consumers.delivery.outcome import Answered, Outcome
from consumers.delivery.work import Work
from tocsin.deliveries import LIVE_RUN, Decision
from tocsin.telemetry import metrics
from tocsin.telemetry.meter import Labels, Meter

_CLASSES: Final = ("", "1xx", "2xx", "3xx", "4xx", "5xx")


class Measures:
    """Counts what becomes of deliveries.

    Attributes:
        ended: POSTs that have ended since the start.
    """

    def __init__(self, meter: Meter) -> None:
        self.ended = 0
        self._latency = meter.histogram(metrics.LATENCY)
        self._attempts = meter.counter(metrics.ATTEMPTS)
        self._duration = meter.histogram(metrics.POST_DURATION)
        self._dead_letters = meter.counter(metrics.DEAD_LETTERS)
        self._parked = meter.counter(metrics.PARKED)
        self._failures = Failures(time.monotonic())
        self._meter = meter

    def posted(self, work: Work, outcome: Outcome) -> None:
        """Count a POST that came to an outcome."""
        self.ended += 1
        if isinstance(outcome, Answered):
            status = outcome.status
            self._duration.record(outcome.duration_s, _CLASSES[status // 100])
            if 200 <= status < 300:
                return
        else:
            self._duration.record(outcome.duration_s, outcome.kind)
        self._failures.note(work.endpoint, time.monotonic())

    def decided(self, work: Work, decision: Decision, now_ms: int, *, outage: bool = False) -> None:
        """Count a decision.

        Args:
            now_ms: Milliseconds since the epoch.
            outage: It waits because of our own outage.
        """
        delivery, progress, verdict = work.delivery, work.progress, decision.verdict
        self._attempts.add(delivery.system, verdict, decision.fault or "none")
        if verdict == "delivered":
            if progress.run == LIVE_RUN and not progress.test:
                self._latency.record(
                    max(0.0, (now_ms - delivery.event_time) / 1000),
                    delivery.system,
                    "later" if progress.attempt else "first",
                )
        elif verdict == "dead_letter":
            self._dead_letters.add(delivery.system, decision.reason or "", decision.fault or "none")
        elif verdict == "parked":
            self._parked.add("outage" if outage else "pace")

    def watch_lanes(self, lanes: Lanes[Any]) -> None:
        """Tell what is open and what waits, in all and by endpoint."""

        def waiting() -> tuple[Mapping[str, int], Mapping[str, int], set[str]]:
            failures, lengths = self._failures.counts(time.monotonic()), lanes.lengths()
            return failures, lengths, named(failures, lengths)

        def failing() -> Mapping[Labels, float]:
            failures, _, names = waiting()
            return together(failures, names)

        def behind() -> Mapping[Labels, float]:
            _, lengths, names = waiting()
            return together(lengths, names)

        def paces() -> Mapping[Labels, float]:
            limits, names = lanes.limits(), waiting()[2]
            return {(name,): limits[name] for name in names if name in limits}

        self._meter.observe(metrics.IN_FLIGHT, lambda: {(): lanes.in_flight})
        self._meter.observe(metrics.WAITING, lambda: {(): lanes.waiting})
        self._meter.observe(metrics.ENDPOINT_FAILURES, failing)
        self._meter.observe(metrics.ENDPOINT_WAITING, behind)
        self._meter.observe(metrics.ENDPOINT_LIMIT, paces)
