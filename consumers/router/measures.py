"""What the router counts."""

from __future__ import annotations

from tocsin.kafka.reader import Record
from tocsin.telemetry import metrics
from tocsin.telemetry.meter import Meter


class Measures:
    """Counts what becomes of events."""

    def __init__(self, meter: Meter) -> None:
        self._events = meter.counter(metrics.ROUTED)
        self._deliveries = meter.counter(metrics.DELIVERIES_MADE)
        self._duration = meter.histogram(metrics.ROUTING_DURATION)

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
        """Count an event of which all effects are acknowledged.

        Args:
            now_ms: Milliseconds since the epoch.
        """
        self._duration.record(max(0.0, (now_ms - record.timestamp_ms) / 1000), record.topic)
