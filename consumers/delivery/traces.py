"""The span of one attempt: a POST, in the event's trace if it is the first, else in one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from consumers.delivery.endpoints import Endpoint
from consumers.delivery.outcome import Answered, Outcome
from consumers.delivery.work import Work
from tocsin.deliveries import LIVE_RUN, Decision
from tocsin.telemetry import conventions
from tocsin.telemetry.tracing import PARENT, Span, Tracer, Value

NAME: Final = "POST"


def begin(tracer: Tracer, work: Work, endpoint: Endpoint) -> Span | None:
    """Begin the span of a work's next attempt; None if it is not sampled."""
    if not tracer.on:
        return None
    progress = work.progress
    first = progress.run == LIVE_RUN and not progress.attempt
    return tracer.attempt(NAME, work.record.headers, lambda: _attributes(work, endpoint), first=first)


def sent_along(span: Span) -> tuple[str, str]:
    """Return the request header by which the subscriber's own trace may go on (W3C Trace Context)."""
    return PARENT, span.context.header


def end(span: Span, decision: Decision, outcome: Outcome | None) -> None:
    """End an attempt's span.

    Args:
        decision: What was decided.
        outcome: What the POST came to; None if it was cut.
    """
    span.tell({conventions.VERDICT: decision.verdict})
    if isinstance(outcome, Answered):
        span.tell({conventions.HTTP_RESPONSE_STATUS_CODE: outcome.status})
        span.end(None if decision.verdict == "delivered" else str(outcome.status))
    else:
        span.end(outcome.kind if outcome is not None else decision.verdict)


def _attributes(work: Work, endpoint: Endpoint) -> Mapping[str, Value]:
    record, delivery, progress = work.record, work.delivery, work.progress
    return {
        conventions.HTTP_REQUEST_METHOD: "POST",
        conventions.HTTP_REQUEST_RESEND_COUNT: progress.attempt,
        conventions.URL_FULL: endpoint.shown_url,
        conventions.MESSAGING_SYSTEM: conventions.KAFKA,
        conventions.MESSAGING_DESTINATION_NAME: record.topic,
        conventions.MESSAGING_DESTINATION_PARTITION_ID: str(record.partition),
        conventions.MESSAGING_KAFKA_OFFSET: record.offset,
        conventions.MESSAGING_MESSAGE_ID: delivery.event_id,
        conventions.EVENT_TYPE: delivery.event_type,
        conventions.SYSTEM: delivery.system,
        conventions.DELIVERY_ID: delivery.delivery_id,
        conventions.SUBSCRIPTION_ID: delivery.subscription_id,
        conventions.RUN: progress.run,
        conventions.STEP: progress.step,
    }
