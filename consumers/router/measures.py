"""What the router counts; on its one thread, but for the ends of events, which come on any."""

from __future__ import annotations

from collections import deque

from tocsin.kafka.reader import Record
from tocsin.telemetry import metrics
from tocsin.telemetry.meter import Meter


class Measures:
    """Counts what becomes of events."""

    def __init__(self, meter: Meter) -> None:
        self._events = meter.counter(metrics.ROUTED)
        self._deliveries = meter.counter(metrics.DELIVERIES_MADE)
        self._duration = meter.histogram(metrics.ROUTING_DURATION)
        self._ended: deque[tuple[str, float]] = deque()

    def routed(self, record: Record, deliveries: int, *, quarantined: bool) -> None:
        """Count an event that was decided about.

        Args:
            deliveries: How many it became.
            quarantined: It went to quarantine, with or without any.
        """
        outcome = "quarantined" if quarantined else "routed" if deliveries else "unwanted"
        self._events.add(record.topic, outcome)
        if deliveries:
            self._deliveries.add(record.topic, by=deliveries)

    def ended(self, record: Record, now_ms: int) -> None:
        """Note that all effects of an event are acknowledged; from any thread."""
        self._ended.append((record.topic, (now_ms - record.timestamp_ms) / 1000))

    def settle(self) -> None:
        """Count what `ended` has noted."""
        while self._ended:
            topic, seconds = self._ended.popleft()
            self._duration.record(max(0.0, seconds), topic)
