"""The list of metrics: names as OpenTelemetry and Prometheus want them, each once."""

from __future__ import annotations

import re

import pytest

from tocsin.telemetry import metrics
from tocsin.telemetry.metrics import METRICS, PROGRAMS, Metric


@pytest.mark.parametrize(
    ("metric", "exposed"),
    [
        (metrics.LATENCY, "tocsin_delivery_latency_seconds"),
        (metrics.ATTEMPTS, "tocsin_delivery_attempts_total"),
        (metrics.IN_FLIGHT, "tocsin_delivery_in_flight"),
        (metrics.WINDOW_FILL, "tocsin_consumer_window_fill_ratio"),
        (metrics.CPU_TIME, "process_cpu_time_seconds_total"),
        (metrics.MEMORY, "process_memory_usage_bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_name_in_prometheus_has_the_unit_and_what_a_counter_ends_with(metric: Metric, exposed: str) -> None:
    assert metric.exposed == exposed


def test_series_of_a_histogram_are_three() -> None:
    name = "tocsin_delivery_duration_seconds"
    assert metrics.POST_DURATION.series == (f"{name}_bucket", f"{name}_sum", f"{name}_count")


def test_no_two_metrics_have_one_name() -> None:
    assert (
        len({metric.exposed for metric in METRICS})
        == len({metric.name for metric in METRICS})
        == len(METRICS)
    )


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: str(metric.name))
def test_metric_is_described_whole(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z]+(?:[._][a-z]+)*", metric.name)
    assert re.fullmatch(r"s|By|1|\{[a-z]+\}", metric.unit)
    assert metric.meaning.endswith(".")
    assert set(metric.programs) <= set(PROGRAMS)
    assert ("program" in metric.labels) == (len(metric.programs) > 1)
    assert bool(metric.bounds) == (metric.kind == "histogram")
    assert list(metric.bounds) == sorted(set(metric.bounds))
    assert all(re.fullmatch(r"[a-z_]+", label) for label in metric.exposed_labels)
