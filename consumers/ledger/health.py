"""When an endpoint is disabled. Pure: what is known of it and one more attempt in, what is known then out.

               a failure that counts                    the last one the policy allows, or 410
    healthy ──────────────────────────▶ failing ──────────────────────────────────────────────▶ disabled
       ▲  ◀────────── a success ────────   │ ▲                                                     │
       │                                   └─┘ a failure that counts                               │
       └───────────── a later generation, which its owner makes, or a probe's success ─────────────┘

A failure counts only if its try began after the last counted one had ended: ten in flight at one blip are one failure.
Failures of tests do not count, nor those of a replay, whose events failed before; a success of either says that the
endpoint works. Attempts of an earlier generation say nothing about this one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from tocsin.deliveries import LIVE_RUN
from tocsin.health import Health, Reason
from tocsin.soundness import TIME_MAX_MS
from tocsin.wire.systems import Systems

PROBE_SOURCE: Final = "/tocsin/probe"
"""The CloudEvents source of the test deliveries with which the ledger looks whether an endpoint works again."""

FEW: Final = 5
"""An endpoint that is seldom sent anything has not failed for days because two events did."""

_LASTING_MAX_MS: Final = 86_400_000
"""No POST takes a day: such a record was not written by a delivery consumer."""

_COUNTING: Final = frozenset({"delivered", "retry", "dead_letter"})


@dataclass(frozen=True, slots=True)
class Policy:
    """When endpoints are disabled.

    Attributes:
        in_a_row: System to how many failures in a row disable; a system that is not there has no such rule.
        failing_ms: How long an endpoint may fail without a success, whatever its system.
    """

    in_a_row: Mapping[str, int]
    failing_ms: int


def policy_of(systems: Systems, failing_s: float) -> Policy:
    """Return the policy that the systems' documents and the installation's setting make."""
    documented = {name: each.disable_after for name, each in systems.items() if each.disable_after}
    return Policy(documented, int(1000 * failing_s))


class Try(NamedTuple):
    """An attempt as far as it tells something about its endpoint; times are milliseconds since the epoch.

    Attributes:
        ended_at: Rounded up, so that what began in that millisecond did not begin after it.
        url: As it may be shown.
        is_test: Its owner asked for it, or it is a probe.
    """

    subscription_id: str
    organization: str
    system: str
    generation: int
    run: str
    is_test: bool
    is_probe: bool
    delivered: bool
    started_at: int
    ended_at: int
    url: str
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class State:
    """What is known of one subscription's endpoint: a row of the store's table `health`, field by column."""

    subscription_id: str
    organization: str
    generation: int
    consecutive_failures: int = 0
    failing_since: int | None = None
    counted_end: int | None = None
    last_success_at: int | None = None
    last_failure_at: int | None = None
    last_status: int | None = None
    last_error: str | None = None
    disabled_at: int | None = None
    disabled_reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What the readers of `tocsin.health` are to know, with what a notice says besides."""

    health: Health
    system: str
    url: str


def read(attempt: Mapping[str, Any]) -> Try | None:
    """Return what an attempt record tells about its endpoint; None for one that tells nothing.

    Parked, interrupted, refused without a POST, or failed by our own fault: the endpoint has nothing to do with it. Times
    that cannot be come from nobody who knows.
    """
    if not attempt["posted"] or attempt["verdict"] not in _COUNTING or attempt["fault"] == "tocsin":
        return None
    started_at, duration_ms = attempt["started_at"], attempt["duration_ms"]
    if not (0 <= started_at <= TIME_MAX_MS - _LASTING_MAX_MS and 0 <= duration_ms <= _LASTING_MAX_MS):
        return None
    return Try(
        subscription_id=attempt["subscription_id"],
        organization=attempt["organization"],
        system=attempt["system"],
        generation=attempt["subscription_generation"],
        run=attempt["run"],
        is_test=attempt["test"],
        is_probe=attempt["test"] and attempt["event_source"] == PROBE_SOURCE,
        delivered=attempt["verdict"] == "delivered",
        started_at=started_at,
        ended_at=started_at + math.ceil(duration_ms),
        url=attempt["url"] or "",
        status=attempt["status"],
        error=attempt["error"],
    )


def step(state: State | None, attempt: Try, policy: Policy) -> tuple[State, Change | None]:
    """Return what is known after one more attempt, and what changes for readers by it.

    Args:
        state: What was known; None before the first attempt.
        attempt: The next in the order of decisions.
        policy: When endpoints are disabled.
    """
    known = _of_generation(state, attempt)
    if attempt.generation < known.generation:
        return known, None
    return _succeeded(known, attempt) if attempt.delivered else _failed(known, attempt, policy)


def _of_generation(state: State | None, attempt: Try) -> State:
    if state is None:
        return State(attempt.subscription_id, attempt.organization, attempt.generation)
    if attempt.generation <= state.generation:
        return state
    return replace(
        State(attempt.subscription_id, attempt.organization, attempt.generation),
        last_success_at=state.last_success_at,
        last_failure_at=state.last_failure_at,
    )


def _succeeded(state: State, attempt: Try) -> tuple[State, Change | None]:
    succeeded_at = _later(state.last_success_at, attempt.ended_at)
    if state.disabled_at is not None and not _may_enable(state, attempt):
        return replace(state, last_success_at=succeeded_at), None
    healthy = State(
        state.subscription_id,
        state.organization,
        state.generation,
        counted_end=_later(state.counted_end, attempt.ended_at),
        last_success_at=succeeded_at,
        last_failure_at=state.last_failure_at,
        last_status=attempt.status,
    )
    return healthy, None if state.disabled_at is None else _change(healthy, attempt)


def _may_enable(state: State, attempt: Try) -> bool:
    # 410 says that nothing is wanted any more; only the owner takes that back.
    return attempt.is_probe and state.disabled_reason != "gone"


def _failed(state: State, attempt: Try, policy: Policy) -> tuple[State, Change | None]:
    if attempt.is_test:
        return state, None
    noted = replace(state, last_failure_at=_later(state.last_failure_at, attempt.ended_at))
    if state.disabled_at is not None:
        return noted, None
    gone = attempt.status == 410
    if not gone and not _counts(state, attempt):
        return noted, None
    counted = replace(
        noted,
        consecutive_failures=state.consecutive_failures + 1,
        failing_since=attempt.started_at if state.failing_since is None else state.failing_since,
        counted_end=_later(state.counted_end, attempt.ended_at),
        last_status=attempt.status,
        last_error=attempt.error,
    )
    reason = "gone" if gone else _reason(counted, attempt, policy)
    if reason is None:
        return counted, None
    disabled = replace(counted, disabled_at=attempt.ended_at, disabled_reason=reason)
    return disabled, _change(disabled, attempt)


def _counts(state: State, attempt: Try) -> bool:
    return attempt.run == LIVE_RUN and (state.counted_end is None or attempt.started_at > state.counted_end)


def _reason(state: State, attempt: Try, policy: Policy) -> Reason | None:
    in_a_row = policy.in_a_row.get(attempt.system)
    if in_a_row is not None and state.consecutive_failures >= in_a_row:
        return "consecutive_failures"
    since = attempt.ended_at if state.failing_since is None else state.failing_since
    if state.consecutive_failures >= FEW and attempt.ended_at - since >= policy.failing_ms:
        return "failing_too_long"
    return None


def _change(state: State, attempt: Try) -> Change:
    health = Health(
        subscription_id=state.subscription_id,
        organization=state.organization,
        generation=state.generation,
        disabled=state.disabled_at is not None,
        reason=state.disabled_reason,
        since_ms=attempt.ended_at,
        consecutive_failures=state.consecutive_failures,
        failing_since_ms=state.failing_since,
        last_status=state.last_status,
        last_error=state.last_error,
    )
    return Change(health, attempt.system, attempt.url)


def _later(known: int | None, moment: int) -> int:
    return moment if known is None else max(known, moment)
