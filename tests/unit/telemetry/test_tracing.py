"""Trace context: what is one, who decides, and which attempt is whose child or is linked to what."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tocsin import events, telemetry
from tocsin.telemetry import tracing
from tocsin.telemetry.spans import SdkSpans
from tocsin.telemetry.tracing import PARENT, PREVIOUS, ROUTER, Header, Sampling, TraceContext, Tracer, parse

ORIGIN = TraceContext("1" * 32, "a" * 16)
ROUTED = TraceContext("1" * 32, "b" * 16)
BEFORE = TraceContext("2" * 32, "c" * 16)
UNSAMPLED = TraceContext("3" * 32, "d" * 16, sampled=False)


def headers(**contexts: TraceContext) -> list[Header]:
    return [(name, context.header.encode()) for name, context in contexts.items()]


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Where the spans of `tracer` end."""
    made = InMemorySpanExporter()
    yield made
    made.shutdown()


def tracer(exporter: InMemorySpanExporter, sampling: Sampling | None = None) -> Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracer(SdkSpans(provider), sampling)


hexadecimal = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(hexadecimal, hexadecimal, st.booleans())
def test_context_survives_the_way_through_a_header(trace: str, span: str, sampled: bool) -> None:
    context = TraceContext(trace, span[:16], sampled)
    nothing = set(trace) == {"0"} or set(span[:16]) == {"0"}
    assert parse(context.header.encode()) == (None if nothing else context)


@given(st.binary(max_size=80))
def test_what_is_no_context_is_none(value: bytes) -> None:
    found = parse(value)
    assert found is None or found.header.encode()[:52] == value[:52]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"00-11-22-01",
        b"01-" + ORIGIN.header.encode()[3:],
        ORIGIN.header.upper().encode(),
        ORIGIN.header.encode() + b"\n",
        b"00-" + b"0" * 32 + b"-" + b"a" * 16 + b"-01",
    ],
)
def test_malformed_context_counts_as_none(value: bytes | None) -> None:
    assert parse(value) is None


@pytest.mark.parametrize(
    ("sampling", "parent", "draw", "kept"),
    [
        (Sampling(0.01), None, 0.009, True),
        (Sampling(0.01), None, 0.01, False),
        (Sampling(0.0), ORIGIN, 0.9, True),
        (Sampling(1.0), UNSAMPLED, 0.0, False),
        (Sampling(1.0, parent_based=False), UNSAMPLED, 0.9, True),
        (Sampling(0.0, parent_based=False), ORIGIN, 0.0, False),
        (Sampling(0.5, parent_based=False), TraceContext("0" * 16 + "7" + "f" * 15, "a" * 16), 0.9, True),
        (Sampling(0.5, parent_based=False), TraceContext("0" * 16 + "8" + "0" * 15, "a" * 16), 0.0, False),
    ],
)
def test_who_began_the_trace_decides_else_the_ratio(
    sampling: Sampling, parent: TraceContext | None, draw: float, kept: bool
) -> None:
    assert sampling.keeps(parent, draw) is kept


@pytest.mark.parametrize(
    ("carried", "first", "parent", "links"),
    [
        (headers(traceparent=ORIGIN, tocsin_traceparent=ROUTED), True, ROUTED, []),
        (headers(traceparent=ORIGIN), True, ORIGIN, []),
        (
            headers(traceparent=ORIGIN, tocsin_traceparent=ROUTED, tocsin_last_traceparent=BEFORE),
            False,
            None,
            [(ORIGIN, "origin"), (BEFORE, "previous")],
        ),
        (headers(tocsin_traceparent=ROUTED), False, None, [(ROUTED, "origin")]),
        # Cut at a stop: no attempt was spent, and yet there was one before.
        (
            headers(traceparent=ORIGIN, tocsin_last_traceparent=BEFORE),
            True,
            None,
            [(ORIGIN, "origin"), (BEFORE, "previous")],
        ),
    ],
)
def test_first_attempt_continues_the_trace_and_a_later_one_is_linked(
    exporter: InMemorySpanExporter,
    carried: list[Header],
    first: bool,
    parent: TraceContext | None,
    links: list[tuple[TraceContext, str]],
) -> None:
    span = tracer(exporter).attempt("POST", carried, dict, first=first)
    assert span is not None
    span.end()
    (ended,) = exporter.get_finished_spans()
    assert (f"{ended.parent.span_id:016x}" if ended.parent else None) == (parent.span_id if parent else None)
    assert (span.context.trace_id == ORIGIN.trace_id) == (parent is not None)
    assert linked(ended) == [(context.span_id, what) for context, what in links]


def linked(span: ReadableSpan) -> list[tuple[str, object]]:
    return [(f"{link.context.span_id:016x}", (link.attributes or {})["tocsin.link"]) for link in span.links]


@pytest.mark.parametrize(
    "carried",
    [[], headers(traceparent=UNSAMPLED), [(PARENT, b"nonsense")]],
    ids=["none", "unsampled", "nonsense"],
)
def test_attempt_of_what_is_not_sampled_makes_no_span(
    exporter: InMemorySpanExporter, carried: list[Header]
) -> None:
    def never() -> dict[str, str]:
        raise AssertionError("attributes are made for nothing")

    assert tracer(exporter).attempt("POST", carried, never, first=True) is None
    assert tracer(exporter).begin("process", "consumer", UNSAMPLED, never, 0.0) is None
    assert Tracer().begin("process", "consumer", ORIGIN, never, 0.0) is None
    assert exporter.get_finished_spans() == ()


def test_all_is_sampled_where_that_is_asked_for(exporter: InMemorySpanExporter) -> None:
    assert tracer(exporter, Sampling(1.0)).attempt("POST", [], dict, first=True) is not None


def test_contexts_of_a_delivery_travel_through_every_hop_and_the_newest_replaces_the_one_before(
    exporter: InMemorySpanExporter,
) -> None:
    span = tracer(exporter).begin("POST", "client", None, dict, 0.0)
    assert span is not None
    came = [
        *headers(traceparent=ORIGIN, tocsin_traceparent=ROUTED, tocsin_last_traceparent=BEFORE),
        ("x", b""),
    ]
    carried = events.carried(came)
    assert carried == came[:3]
    renewed = tracing.renewed(carried, PREVIOUS, span)
    assert renewed == [*came[:2], (PREVIOUS, span.context.header.encode())]
    assert tracing.renewed(carried, ROUTER, None) == carried


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_log_line_tells_the_trace_that_it_belongs_to(exporter: InMemorySpanExporter, log_format: str) -> None:
    span = tracer(exporter).begin("POST", "client", None, dict, 0.0)
    assert span is not None
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    try:
        telemetry.configure_logging("test", "json" if log_format == "json" else "console", "info")
        formatter = root.handlers[0].formatter
        assert formatter is not None
        record = logging.makeLogRecord({"msg": "hello", "levelname": "INFO", "name": "tocsin"})
        with tracing.within(span):
            inside = formatter.format(record)
        assert span.context.trace_id in inside
        assert span.context.trace_id not in formatter.format(record)
    finally:
        root.handlers[0].close()
        root.handlers[:], root.level = kept
