"""The trace of a request's events: its caller's, a new one that is kept, or one of which it is told that it is not."""

from __future__ import annotations

import random

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from producers.gateway import traces
from producers.gateway.intake import Taken
from tocsin.telemetry.spans import SdkSpans
from tocsin.telemetry.tracing import Sampling, TraceContext, Tracer, parse

CALLER = TraceContext("1" * 32, "a" * 16)
SENT = {"traceparent": CALLER.header, "tracestate": "vendor=1"}


def make(ratio: float, *, parent_based: bool = True) -> tuple[Tracer, InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracer(SdkSpans(provider), Sampling(ratio, parent_based)), exporter


def begin(tracer: Tracer, headers: dict[str, str]) -> traces.Traced:
    return traces.begin(tracer, headers, "governlayer", 3, random.Random(1))


def carried(traced: traces.Traced) -> TraceContext | None:
    return parse(dict(traced.headers).get("traceparent"))


def test_events_of_a_traced_caller_carry_a_child_of_its_span_and_its_state() -> None:
    tracer, exporter = make(0.0)
    traced = begin(tracer, SENT)
    traced.end([Taken("e", "/s", acknowledged=True)])
    (span,) = exporter.get_finished_spans()
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == CALLER.span_id
    assert span.context is not None
    assert carried(traced) == TraceContext(CALLER.trace_id, f"{span.context.span_id:016x}")
    assert dict(traced.headers)["tracestate"] == b"vendor=1"
    assert span.status.is_ok


def test_span_says_that_events_were_not_acknowledged() -> None:
    tracer, exporter = make(1.0)
    begin(tracer, {}).end([Taken("e", "/s", acknowledged=False)])
    (span,) = exporter.get_finished_spans()
    assert not span.status.is_ok


@pytest.mark.parametrize(
    ("ratio", "parent_based", "headers", "trace_id"),
    [
        (0.0, True, {}, None),
        (0.0, True, {"traceparent": "nonsense", "tracestate": "x=1"}, None),
        (1.0, True, {"traceparent": TraceContext("2" * 32, "b" * 16, sampled=False).header}, "2" * 32),
        (0.0, False, SENT, CALLER.trace_id),
    ],
    ids=["not drawn", "nonsense", "the caller says no", "the sampler says no"],
)
def test_events_that_are_not_sampled_say_so_that_nobody_draws_again(
    ratio: float, parent_based: bool, headers: dict[str, str], trace_id: str | None
) -> None:
    tracer, exporter = make(ratio, parent_based=parent_based)
    traced = begin(tracer, headers)
    context = carried(traced)
    assert context is not None
    assert not context.sampled
    assert trace_id is None or context.trace_id == trace_id
    assert exporter.get_finished_spans() == ()


def test_without_traces_of_our_own_a_caller_s_context_goes_on_as_it_came() -> None:
    assert dict(begin(Tracer(), SENT).headers) == {key: value.encode() for key, value in SENT.items()}
    assert begin(Tracer(), {}).headers == ()


@pytest.mark.parametrize("state", ["x" * 513, "a=\x01", "a=\xe9"])
def test_state_that_could_not_travel_is_left_behind(state: str) -> None:
    assert len(begin(Tracer(), {**SENT, "tracestate": state}).headers) == 1
