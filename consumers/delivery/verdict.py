"""The verdict on one POST: what its outcome means, before anybody looks at the schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from consumers.delivery.outcome import Answered, Failed, FailureKind, Outcome
from consumers.delivery.retry_after import parse_retry_after

Action = Literal["delivered", "retry", "gone", "blocked"]
Fault = Literal["subscriber", "tocsin"]

_SLOWING: Final[frozenset[FailureKind]] = frozenset({"timeout", "reset", "protocol"})
"""Who cannot be connected to costs little, and is found out by the schedule."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from one POST.

    Attributes:
        action: `delivered`: done. `retry`: on the schedule. `gone`: disable the subscription and dead-letter.
            `blocked`: dead-letter, policy refuses the destination.
        reason: In words, for people; safe to show to the tenant.
        fault: Whose failure it is, None when it is none.
        retry_after_s: The next attempt must not be sooner than this.
        slow_down: The endpoint's pace is to be lowered: the answer is one of a server at its end.
    """

    action: Action
    reason: str
    fault: Fault | None = None
    retry_after_s: int | None = None
    slow_down: bool = False


def judge(outcome: Outcome, now: float) -> Verdict:
    """Return the verdict on an outcome.

    Args:
        outcome: What the client came back with.
        now: Seconds since the epoch; a `Retry-After` date is read against it.
    """
    return _on_answer(outcome, now) if isinstance(outcome, Answered) else _on_failure(outcome)


def _on_answer(answer: Answered, now: float) -> Verdict:
    reason = f"HTTP {answer.status}"
    if 200 <= answer.status < 300:
        return Verdict("delivered", reason)
    if answer.status == 410:
        return Verdict("gone", reason, "subscriber")
    if answer.status in (429, 503):
        wait_s = parse_retry_after(answer.retry_after, now)
        return Verdict("retry", reason, "subscriber", wait_s, slow_down=True)
    if 300 <= answer.status < 400:
        return Verdict("retry", f"{reason}: redirects are not followed", "subscriber")
    # Pages of errors are small: one that does not end is a server's that is at its end, or that means harm.
    return Verdict("retry", reason, "subscriber", slow_down=answer.status >= 500 and not answer.body_complete)


def _on_failure(failure: Failed) -> Verdict:
    if failure.kind == "refused_by_policy":
        return Verdict("blocked", failure.error, "subscriber")
    fault: Fault = "tocsin" if failure.kind == "local" else "subscriber"
    return Verdict("retry", failure.error, fault, slow_down=failure.kind in _SLOWING)
