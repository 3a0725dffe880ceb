"""Attempts as they are written down: what was decided about a delivery, and why. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Sequence

from consumers.delivery.endpoints import Endpoint
from consumers.delivery.outcome import Answered, Outcome
from consumers.delivery.verdict import Verdict
from consumers.delivery.work import Work
from tocsin import deliveries
from tocsin.deliveries import Attempt, Decision


def without_post(work: Work, decision: Decision, now_ms: int) -> Attempt:
    """Return the attempt of a delivery that was decided about without sending anything."""
    return Attempt(work.delivery, work.progress, decision, work.source, now_ms)


def cut(work: Work, decision: Decision, endpoint: Endpoint, *, started_ms: int, duration_s: float) -> Attempt:
    """Return the attempt whose POST was cut because the process, or its share of the partitions, ends."""
    return Attempt(
        work.delivery,
        work.progress,
        decision,
        work.source,
        started_ms,
        posted=True,
        url=endpoint.shown_url,
        duration_ms=duration_s * 1000,
        error="cut at a stop of the delivery process",
        generation=endpoint.generation,
    )


def ended(
    work: Work,
    decision: Decision,
    endpoint: Endpoint,
    outcome: Outcome,
    verdict: Verdict,
    *,
    started_ms: int,
    headers: Sequence[tuple[str, str]],
) -> Attempt:
    """Return the attempt whose POST came to an outcome, or was refused by policy as it began.

    Args:
        started_ms: When it began, milliseconds since the epoch.
        headers: What was sent.
    """
    answered = outcome if isinstance(outcome, Answered) else None
    return Attempt(
        work.delivery,
        work.progress,
        decision,
        work.source,
        started_ms,
        duration_ms=outcome.duration_s * 1000,
        # What policy refuses is the same whether it is found in the URL or at the connection: nothing was sent.
        posted=verdict.action != "blocked",
        url=endpoint.shown_url,
        status=answered.status if answered else None,
        error=None if verdict.action == "delivered" else verdict.reason[: deliveries.ERROR_MAX_CHARS],
        generation=endpoint.generation,
        request_headers=endpoint.shown_headers(headers),
        response_headers=dict(answered.headers) if answered else {},
        response_body=answered.body if answered and answered.body else None,
    )
