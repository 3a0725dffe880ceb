"""The span of one request's events: from handing them to Kafka to the acknowledgement of the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from producers.gateway.intake import Outcome, Taken, TraceHeaders
from tocsin.telemetry import conventions
from tocsin.telemetry.tracing import PARENT, Span, TraceContext, Tracer, parse

STATE: Final = "tracestate"
STATE_MAX_CHARS: Final = 512
"""What W3C Trace Context asks of everybody to carry."""


class Draws(Protocol):
    """Randomness: the module `random` has it."""

    def random(self) -> float: ...

    def getrandbits(self, k: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Traced:
    """A request's trace.

    Attributes:
        headers: What its events carry on.
        span: If it is sampled.
    """

    headers: TraceHeaders
    span: Span | None = None

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """End it."""
        if self.span is not None:
            lost = any(isinstance(each, Taken) and not each.acknowledged for each in outcomes)
            self.span.end("not_acknowledged" if lost else None)


def begin(tracer: Tracer, headers: Mapping[str, str], system: str, events: int, draws: Draws) -> Traced:
    """Begin the trace of a request's events, or continue its caller's.

    Where traces are made, every event carries whether its own is kept, so that the router need not decide anew; where
    none are, a caller's context goes on as it came.

    Args:
        headers: Of the request.
        events: How many it publishes.
    """
    parent = parse(headers.get(PARENT, "").encode("latin-1", "replace"))
    state = headers.get(STATE, "") if parent is not None else ""
    if not tracer.on:
        return Traced(_carried(parent, state))

    def attributes() -> Mapping[str, str | int]:
        return {
            conventions.MESSAGING_SYSTEM: conventions.KAFKA,
            conventions.MESSAGING_OPERATION_NAME: conventions.SEND,
            conventions.MESSAGING_OPERATION_TYPE: conventions.SEND,
            conventions.MESSAGING_BATCH_MESSAGE_COUNT: events,
            conventions.SYSTEM: system,
        }

    span = tracer.begin(f"{conventions.SEND} {system}", "producer", parent, attributes, draws.random())
    if span is not None:
        return Traced(_carried(span.context, state), span)
    return Traced(_carried(replace(parent or _made(draws), sampled=False), state))


def _carried(context: TraceContext | None, state: str) -> TraceHeaders:
    if context is None:
        return ()
    headers = [(PARENT, context.header.encode())]
    if 0 < len(state) <= STATE_MAX_CHARS and state.isascii() and state.isprintable():
        headers.append((STATE, state.encode()))
    return headers


def _made(draws: Draws) -> TraceContext:
    return TraceContext(f"{draws.getrandbits(128) | 1:032x}", f"{draws.getrandbits(64) | 1:016x}")
