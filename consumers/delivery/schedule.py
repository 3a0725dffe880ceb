"""What follows an attempt: the next tier, a dead letter, or nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from consumers.delivery.verdict import Verdict
from tocsin import tiers
from tocsin.deliveries import Decision, Progress

PARKED_MAX_MS = 24 * 3_600 * 1_000
HOPS_IN_A_WAIT = 100
"""Of an expected wait, the share that a hop takes at least: a queue of hours is not asked again every five seconds."""
FIRST_HOP_MAX_S = 60.0
"""Whatever was expected: an endpoint may be well again in a minute."""
AT_LIMIT = "endpoint at its limit"
OUTAGE = "hardly any endpoint can be reached: the fault is ours"


def after_attempt(
    verdict: Verdict, progress: Progress, schedule: Sequence[str], *, status: int | None
) -> Decision:
    """Decide what follows a POST.

    Args:
        verdict: What the answer means.
        progress: The delivery's progress before this POST.
        schedule: The system's retry tiers; the n-th is waited in after the n-th failed POST.
        status: HTTP status of the answer, None without one.

    Returns:
        The decision; its progress counts this POST, unless policy refused it, and the hop that follows.
    """
    if verdict.action == "delivered":
        return Decision("delivered")
    if verdict.action == "blocked":
        return refused("blocked_destination", progress, verdict.reason)
    posts = progress.attempt + 1
    failed = replace(
        progress,
        attempt=posts,
        parked=0,
        parked_at_ms=0,
        remaining_s=0,
        last_status=status,
        last_error=verdict.reason,
    )
    if verdict.action == "gone":
        return Decision("dead_letter", None, failed, "gone", verdict.fault)
    if posts > len(schedule):
        return Decision("dead_letter", None, failed, "exhausted", verdict.fault)
    tier = schedule[posts - 1]
    asked_s = verdict.retry_after_s or 0
    if asked_s > tiers.seconds(tier):
        tier, rest_s = tiers.chain(asked_s)
        return Decision("retry", tier, failed.hop(remaining_s=rest_s), fault=verdict.fault)
    return Decision("retry", tier, failed.hop(), fault=verdict.fault)


def refused(reason: str, progress: Progress, error: str) -> Decision:
    """Decide about a delivery that may not be sent at all: a dead letter, without an attempt."""
    return Decision(
        "dead_letter", None, replace(progress, remaining_s=0, last_error=error), reason, "subscriber"
    )


def interrupted(progress: Progress) -> Decision:
    """Decide about a POST that was cut at a stop: soon again, and no attempt is spent."""
    return Decision(
        "interrupted", tiers.SHORTEST, progress.hop(remaining_s=0), "the process stopped", "tocsin"
    )


def parked(
    progress: Progress,
    now_ms: int,
    expected_wait_s: float = float("inf"),
    *,
    outage: bool = False,
) -> Decision:
    """Decide about a delivery whose endpoint takes less than it is sent: wait longer with each hop, a day at most.

    Where the queue would take hours, the first hops would only bring it back to be parked again: they are left out.

    Args:
        progress: The delivery's progress.
        now_ms: Now, milliseconds since the epoch.
        expected_wait_s: How long it would have waited in the process; it is not parked for longer.
        outage: It waits because of our own outage instead.
    """
    reason, fault = (OUTAGE, "tocsin") if outage else (AT_LIMIT, "subscriber")
    since_ms = progress.parked_at_ms or now_ms
    if now_ms - since_ms >= PARKED_MAX_MS:
        error = f"it was parked for 24 hours: {reason}"
        return Decision("dead_letter", None, replace(progress, last_error=error), "overloaded", fault)
    least = (
        tiers.SHORTEST if outage else tiers.at_least(min(expected_wait_s / HOPS_IN_A_WAIT, FIRST_HOP_MAX_S))
    )
    hop = max(tiers.parking(progress.parked), least, key=tiers.seconds)
    tier = min(hop, tiers.at_least(expected_wait_s), key=tiers.seconds)
    waiting = progress.hop(parked=progress.parked + 1, parked_at_ms=since_ms, remaining_s=0)
    return Decision("parked", tier, waiting, reason, fault)
