"""What the standard variables ask for, and what leaves for a collector."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv.schemas import Schemas

from tocsin.errors import ConfigurationError
from tocsin.telemetry import conventions, exporting, metrics, otlp
from tocsin.telemetry.meter import Meter
from tocsin.telemetry.tracing import Sampling

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("environment", "traces", "counted"),
    [
        ({}, False, False),
        ({ENDPOINT: ""}, False, False),
        ({ENDPOINT: "http://c:4318"}, True, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, True, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}, False, True),
        ({ENDPOINT: "http://c", "OTEL_METRICS_EXPORTER": "none"}, True, False),
        ({ENDPOINT: "http://c", "OTEL_TRACES_EXPORTER": "none"}, False, True),
        ({ENDPOINT: "http://c", "OTEL_SDK_DISABLED": "true"}, False, False),
    ],
)
def test_only_what_has_somewhere_to_go_is_exported(
    environment: Mapping[str, str], traces: bool, counted: bool
) -> None:
    assert exporting.wanted(environment, "traces") is traces
    assert exporting.wanted(environment, "metrics") is counted


@pytest.mark.parametrize(
    ("sampler", "argument", "sampling"),
    [
        (None, None, Sampling(0.01, parent_based=True)),
        ("", "", Sampling(0.01, parent_based=True)),
        (None, "0.25", Sampling(0.25, parent_based=True)),
        ("traceidratio", "0.5", Sampling(0.5, parent_based=False)),
        ("always_on", None, Sampling(1.0, parent_based=False)),
        ("always_off", "1", Sampling(0.0, parent_based=False)),
        ("parentbased_always_on", None, Sampling(1.0, parent_based=True)),
        ("parentbased_always_off", None, Sampling(0.0, parent_based=True)),
    ],
)
def test_sampler_is_the_one_of_the_standard_variables(
    sampler: str | None, argument: str | None, sampling: Sampling
) -> None:
    named = {exporting.SAMPLER: sampler, exporting.SAMPLER_ARG: argument}
    assert exporting.sampling({name: value for name, value in named.items() if value is not None}) == sampling


@pytest.mark.parametrize(
    ("environment", "field"),
    [
        ({exporting.SAMPLER: "jaeger_remote"}, exporting.SAMPLER),
        ({exporting.SAMPLER_ARG: "1.5"}, exporting.SAMPLER_ARG),
        ({exporting.SAMPLER_ARG: "nan"}, exporting.SAMPLER_ARG),
        ({exporting.SAMPLER_ARG: "half"}, exporting.SAMPLER_ARG),
    ],
)
def test_sampler_that_is_none_is_refused_by_name(environment: Mapping[str, str], field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        exporting.sampling(environment)


def test_histogram_leaves_as_it_was_counted() -> None:
    meter = Meter("delivery")
    recording = meter.histogram(metrics.POST_DURATION)
    for seconds in (0.0005, 0.02, 99.0):
        recording.record(seconds, "2xx")
    scope = ScopeMetrics(InstrumentationScope("tocsin"), [], conventions.SCHEMA_URL)
    data = MetricsData([ResourceMetrics(Resource({}), [scope], "")])
    made = otlp.histogram(meter.read(metrics.POST_DURATION), 1, 2)
    encoded = encode_metrics(otlp.added(data, [made]))
    (metric,) = encoded.resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.histogram.data_points
    assert (metric.name, metric.unit) == ("tocsin.delivery.duration", "s")
    assert (point.count, point.sum, sum(point.bucket_counts)) == (3, pytest.approx(99.0205), 3)
    assert (point.bucket_counts[0], point.bucket_counts[-1]) == (1, 1)
    assert tuple(point.explicit_bounds) == metrics.POST_DURATION.bounds
    assert not point.HasField("min")
    assert [(each.key, each.value.string_value) for each in point.attributes] == [("outcome", "2xx")]


def test_names_of_the_conventions_are_those_of_the_version_that_is_pinned() -> None:
    assert any(schema.value == conventions.SCHEMA_URL for schema in Schemas)
    known: set[str] = set()
    for module in ("error", "http", "url", "_incubating.attributes.messaging"):
        name = module if "." in module else f"attributes.{module}"
        found = vars(importlib.import_module(f"opentelemetry.semconv.{name}_attributes"))
        known |= {value for value in found.values() if isinstance(value, str)}
    ours = {value for name, value in vars(conventions).items() if name.isupper() and "." in value}
    assert {value for value in ours if not value.startswith(("tocsin.", "https:"))} <= known
