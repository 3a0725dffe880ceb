"""Traces by hand: the context as it travels (W3C Trace Context), who decides whether a trace is kept, where spans begin.

One trace goes from publishing over the router to the first attempt. Every later attempt is a trace of its own, linked
to the origin and to the attempt before: a trace of hours is one that nobody's tools can show. What is not sampled
makes no span, and no more work than a look at a header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal, Protocol

Header = tuple[str, bytes | None]
Value = str | int | float
Kind = Literal["producer", "consumer", "client", "server"]

PARENT: Final = "traceparent"
"""The publisher's context, as it came; it stays untouched through every hop."""
ROUTER: Final = "tocsin_traceparent"
"""The router's span, which the first attempt continues."""
PREVIOUS: Final = "tocsin_last_traceparent"
"""The attempt before, to which the next one is linked."""

_NAMES: Final = frozenset({PARENT, ROUTER, PREVIOUS})
_SHAPE: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_LENGTH: Final = 55
_EVEN: Final = frozenset(b"02468ace")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where a span stands.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        sampled: Its trace is kept.
    """

    trace_id: str
    span_id: str
    sampled: bool = True

    @property
    def header(self) -> str:
        """Its `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def parse(value: bytes | None) -> TraceContext | None:
    """Read a `traceparent`; None for what is none. A version that is not known yet is none, too."""
    shaped = _SHAPE.fullmatch(value) if value is not None and len(value) == _LENGTH else None
    if shaped is None:
        return None
    trace_id, span_id, flags = (part.decode() for part in shaped.groups())
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & 1))


def find(headers: Sequence[Header], name: str) -> TraceContext | None:
    """Return the context in the first header of a name, or None."""
    for key, value in headers:
        if key == name:
            return parse(value)
    return None


def dismisses(value: bytes | None) -> bool:
    """Return whether a `traceparent` says that its trace is not kept, by a look at its last digit alone.

    It is asked for with every record; to read all of it costs 2 µs.
    """
    return value is not None and len(value) == _LENGTH and value[-1] in _EVEN


@dataclass(frozen=True, slots=True)
class Sampling:
    """Who decides whether a trace is kept.

    Attributes:
        ratio: The share of traces that are kept where nobody has decided.
        parent_based: Whoever began the trace has decided.
    """

    ratio: float = 0.01
    parent_based: bool = True

    def keeps(self, parent: TraceContext | None, draw: float) -> bool:
        """Return whether a span is to be made.

        Args:
            parent: What it would continue, or None.
            draw: At random, from 0 up to 1.
        """
        if parent is None:
            return draw < self.ratio
        if self.parent_based:
            return parent.sampled
        return int(parent.trace_id[16:], 16) < self.ratio * (1 << 64)


class Span(Protocol):
    """A span that has begun."""

    @property
    def context(self) -> TraceContext: ...

    def tell(self, attributes: Mapping[str, Value]) -> None:
        """Add attributes."""

    def end(self, error: str | None = None) -> None:
        """End it; with an error's type, if it failed."""


Links = Sequence[tuple[TraceContext, str]]
"""Contexts, each with what it is: `origin` or `previous`."""


Attributes = Callable[[], Mapping[str, Value]]
"""Makes what a span tells at its beginning; asked only for what is sampled."""


class Spans(Protocol):
    """What makes spans."""

    def begin(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Value],
        parent: TraceContext | None,
        links: Links,
    ) -> Span: ...


class Tracer:
    """Begins spans of what is sampled.

    Args:
        spans: What makes them; None where traces are not exported, and nothing is ever begun.
        sampling: What is sampled.
    """

    __slots__ = ("_sampling", "_spans")

    def __init__(self, spans: Spans | None = None, sampling: Sampling | None = None) -> None:
        self._spans = spans
        self._sampling = sampling or Sampling()

    @property
    def on(self) -> bool:
        """Whether anything may be sampled."""
        return self._spans is not None

    def dismisses(self, headers: Sequence[Header], *, untold: bool = False) -> bool:
        """Return whether a record is certainly not sampled: no spans are made, or what it carries says so.

        Args:
            untold: The answer about a record that carries nothing.
        """
        if self._spans is None:
            return True
        if not self._sampling.parent_based:
            return False
        for name, value in headers:
            if name in _NAMES:
                if not dismisses(value):
                    return False
                untold = True
        return untold

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: TraceContext | None,
        attributes: Attributes,
        draw: float,
    ) -> Span | None:
        """Begin a span, a trace's first where there is no parent; None if it is not sampled."""
        if self._spans is None or not self._sampling.keeps(parent, draw):
            return None
        return self._spans.begin(name, kind, attributes(), parent, ())

    def attempt(
        self, name: str, headers: Sequence[Header], attributes: Attributes, *, first: bool
    ) -> Span | None:
        """Begin the span of an attempt; None if it is not sampled. The event's trace decides for all of its attempts.

        Args:
            headers: Of the record that is delivered.
            first: It continues the event's trace; all others are traces of their own.
        """
        # Whoever carries nothing was dismissed by the router: nobody draws twice.
        if self._spans is None or self.dismisses(headers, untold=self._sampling.ratio < 1):
            return None
        origin, router, previous = (find(headers, name) for name in (PARENT, ROUTER, PREVIOUS))
        if not self._follows(origin, previous or router):
            return None
        if first and previous is None:
            return self._spans.begin(name, "client", attributes(), router or origin, ())
        links = [(origin or router, "origin"), (previous, "previous")]
        return self._spans.begin(
            name,
            "client",
            attributes(),
            None,
            [(context, what) for context, what in links if context is not None],
        )

    def _follows(self, origin: TraceContext | None, ours: TraceContext | None) -> bool:
        if ours is not None:
            return ours.sampled
        return self._sampling.keeps(origin, 0.0 if self._sampling.ratio >= 1 else 1.0)


def renewed(headers: list[Header], name: str, span: Span | None) -> list[Header]:
    """Return headers with a span's context under a name, in the place of an earlier one."""
    if span is None:
        return headers
    return [*((key, value) for key, value in headers if key != name), (name, span.context.header.encode())]


_current: ContextVar[TraceContext | None] = ContextVar("tocsin_trace", default=None)


def current() -> TraceContext | None:
    """Return the context in which this thread or task works: log lines tell it."""
    return _current.get()


def within(span: Span | None) -> AbstractContextManager[None]:
    """Let log lines tell a span's context."""
    return _NOWHERE if span is None else _telling(span.context)


@contextmanager
def _telling(context: TraceContext) -> Iterator[None]:
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


_NOWHERE: Final = nullcontext()
