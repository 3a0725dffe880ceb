"""Spans made by opentelemetry-sdk. Sampling was decided before: what is begun here is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tocsin.telemetry import conventions
from tocsin.telemetry.tracing import Kind, Links, TraceContext, Value

_KINDS: Final[Mapping[Kind, SpanKind]] = {
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "client": SpanKind.CLIENT,
    "server": SpanKind.SERVER,
}


class SdkSpan:
    """A span of the SDK."""

    __slots__ = ("_span", "context")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        made = span.get_span_context()
        self.context = TraceContext(f"{made.trace_id:032x}", f"{made.span_id:016x}")

    def tell(self, attributes: Mapping[str, Value]) -> None:
        """Add attributes."""
        self._span.set_attributes(attributes)

    def end(self, error: str | None = None) -> None:
        """End it; with an error's type, if it failed."""
        if error is not None:
            self._span.set_attribute(conventions.ERROR_TYPE, error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class SdkSpans:
    """Makes spans with a provider whose sampler keeps all."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("tocsin", schema_url=conventions.SCHEMA_URL)

    def begin(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Value],
        parent: TraceContext | None,
        links: Links,
    ) -> SdkSpan:
        """Begin a span."""
        within = trace.set_span_in_context(
            NonRecordingSpan(_span_context(parent)) if parent is not None else trace.INVALID_SPAN
        )
        return SdkSpan(
            self._tracer.start_span(
                name,
                within,
                kind=_KINDS[kind],
                attributes=attributes,
                links=[Link(_span_context(context), {conventions.LINK: what}) for context, what in links],
            )
        )


def _span_context(context: TraceContext) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT)
    return SpanContext(int(context.trace_id, 16), int(context.span_id, 16), is_remote=True, trace_flags=flags)
