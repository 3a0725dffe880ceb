"""OTLP over HTTP to a collector, by the SDK, as the standard `OTEL_*` variables say.

Counters and gauges are observable instruments of a `MeterProvider`, asked once an export. The API has no instrument
for a histogram that was counted elsewhere, so those join the others on their way to the exporter.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.export import Metric as SdkMetric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from tocsin.telemetry import conventions
from tocsin.telemetry.meter import Labels, Meter, Reading, Spread
from tocsin.telemetry.metrics import Metric
from tocsin.telemetry.spans import SdkSpans

FLUSH_MAX_S: Final = 3.0
"""How long a stop waits for a collector."""


@cache
def resource(program: str) -> Resource:
    """Return what all of a process' telemetry is of; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` go first."""
    ours = Resource(
        {
            "service.name": f"tocsin-{program}",
            "service.namespace": "tocsin",
            "service.version": version("tocsin"),
            "service.instance.id": str(uuid.uuid4()),
        },
        conventions.SCHEMA_URL,
    )
    named = {"service.name"} if _names_service(os.environ) else set()
    return Resource.create(
        {key: value for key, value in ours.attributes.items() if key not in named}, ours.schema_url
    )


def _names_service(environment: Mapping[str, str]) -> bool:
    return "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )


class Traces:
    """Sends spans."""

    def __init__(self, of: Resource) -> None:
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=of, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self.spans = SdkSpans(self._provider)

    def close(self) -> None:
        """Send what is left, and end."""
        _briefly(self._provider.shutdown)


class Metrics:
    """Sends what a program counts, every `OTEL_METRIC_EXPORT_INTERVAL` milliseconds (a minute)."""

    def __init__(self, of: Resource, meter: Meter) -> None:
        exporter = _WithHistograms(meter)
        self._provider = MeterProvider(
            [PeriodicExportingMetricReader(exporter)], resource=of, shutdown_on_exit=False
        )
        instruments = self._provider.get_meter("tocsin", schema_url=conventions.SCHEMA_URL)
        for metric in meter.metrics:
            ask = [_observing(meter, metric)]
            if metric.kind == "counter":
                instruments.create_observable_counter(metric.name, ask, metric.unit, metric.meaning)
            elif metric.kind == "gauge":
                instruments.create_observable_gauge(metric.name, ask, metric.unit, metric.meaning)

    def close(self) -> None:
        """Send what is left, and end."""
        _briefly(self._provider.shutdown)


class _WithHistograms(OTLPMetricExporter):
    """Adds the histograms of a meter to all else."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter = meter
        self._since_ns = time.time_ns()

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = None, **options: Any
    ) -> MetricExportResult:
        readings = [self._meter.read(metric) for metric in self._meter.metrics if metric.kind == "histogram"]
        made = [histogram(reading, self._since_ns, time.time_ns()) for reading in readings if reading.points]
        return super().export(added(metrics_data, made), timeout_millis, **options)


def added(data: MetricsData, metrics: list[SdkMetric]) -> MetricsData:
    """Return data with more metrics of its first scope."""
    if not data.resource_metrics or not data.resource_metrics[0].scope_metrics:
        return data
    first, *others = data.resource_metrics
    scope, *scopes = first.scope_metrics
    scope = replace(scope, metrics=[*scope.metrics, *metrics])
    return replace(data, resource_metrics=[replace(first, scope_metrics=[scope, *scopes]), *others])


def histogram(reading: Reading, since_ns: int, now_ns: int) -> SdkMetric:
    """Return a histogram as the SDK's exporters take it; `since_ns` and `now_ns` are of the epoch."""
    metric = reading.metric
    points = [
        HistogramDataPoint(
            attributes=_attributes(metric, labels),
            start_time_unix_nano=since_ns,
            time_unix_nano=now_ns,
            count=sum(spread.counts),
            sum=spread.total,
            bucket_counts=spread.counts,
            explicit_bounds=metric.bounds,
            min=None,  # type: ignore[arg-type]  # optional in OTLP, and not known
            max=None,  # type: ignore[arg-type]
        )
        for labels, spread in reading.points.items()
        if isinstance(spread, Spread)
    ]
    return SdkMetric(
        metric.name, metric.meaning, metric.unit, Histogram(points, AggregationTemporality.CUMULATIVE)
    )


def _observing(meter: Meter, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def ask(options: CallbackOptions) -> Iterable[Observation]:
        for labels, value in meter.read(metric).points.items():
            if not isinstance(value, Spread):
                yield Observation(value, _attributes(metric, labels))

    return ask


def _attributes(metric: Metric, labels: Labels) -> dict[str, str]:
    return dict(zip(metric.labels, labels, strict=True))


def _briefly(end: Callable[[], object]) -> None:
    """Call `end`, and wait for it as long as a stop may wait for a collector that does not answer."""
    ending = threading.Thread(target=end, daemon=True)
    ending.start()
    ending.join(FLUSH_MAX_S)
