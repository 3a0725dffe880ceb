"""What follows an attempt, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.delivery import schedule
from consumers.delivery.retry_after import CAP_S
from consumers.delivery.verdict import Verdict
from tocsin import tiers
from tocsin.deliveries import Decision, Progress

SCHEDULE = ("1m", "5m", "1h")
RETRY = Verdict("retry", "HTTP 500", "subscriber")


@pytest.mark.parametrize(
    ("posts_before", "tier"), [(0, "1m"), (1, "5m"), (2, "1h"), (3, None), (9, None)], ids=str
)
def test_failed_attempt_waits_in_the_schedules_next_tier_until_that_is_spent(
    posts_before: int, tier: str | None
) -> None:
    decision = schedule.after_attempt(RETRY, Progress(attempt=posts_before, step=7), SCHEDULE, status=500)
    assert decision.tier == tier
    assert decision.progress is not None
    assert decision.progress.attempt == posts_before + 1
    if tier is None:
        assert (decision.verdict, decision.reason) == ("dead_letter", "exhausted")
    else:
        assert (decision.verdict, decision.progress.step) == ("retry", 8)


def test_delivered_has_no_effect() -> None:
    assert schedule.after_attempt(
        Verdict("delivered", "HTTP 200"), Progress(), SCHEDULE, status=200
    ) == Decision("delivered")


@pytest.mark.parametrize(
    ("verdict", "reason", "posts"),
    [
        (Verdict("gone", "HTTP 410", "subscriber"), "gone", 1),
        (Verdict("blocked", "not allowed", "subscriber"), "blocked_destination", 0),
    ],
)
def test_refusal_for_good_is_dead_lettered_at_once(verdict: Verdict, reason: str, posts: int) -> None:
    decision = schedule.after_attempt(verdict, Progress(), SCHEDULE, status=410)
    assert (decision.verdict, decision.reason, decision.tier) == ("dead_letter", reason, None)
    assert decision.progress is not None
    assert (decision.progress.attempt, decision.progress.last_error) == (posts, verdict.reason)


@pytest.mark.parametrize(
    ("asked_s", "tier", "rest_s"),
    [
        (10, "1m", 0),
        (60, "1m", 0),
        (61, "1m", 1),
        (600, "5m", 300),
        (3 * 3600, "2h", 3600),
        (86_400, "24h", 0),
    ],
)
def test_retry_after_waits_at_least_that_long_when_it_is_longer_than_the_schedule(
    asked_s: int, tier: str, rest_s: int
) -> None:
    decision = schedule.after_attempt(
        Verdict("retry", "HTTP 429", "subscriber", asked_s, slow_down=True), Progress(), SCHEDULE, status=429
    )
    assert decision.tier == tier
    assert decision.progress is not None
    assert decision.progress.remaining_s == rest_s


@given(st.integers(1, CAP_S))
def test_chain_waits_at_least_and_overshoots_by_less_than_the_shortest_tier(asked_s: int) -> None:
    waited, left = 0, asked_s
    for _ in range(200):
        tier, left = tiers.chain(left)
        waited += tiers.seconds(tier)
        if not left:
            break
    assert asked_s <= waited < asked_s + tiers.seconds(tiers.SHORTEST)


def test_parking_waits_longer_with_each_hop_and_spends_no_attempt() -> None:
    progress, seen = Progress(attempt=2), []
    for _ in range(6):
        decision = schedule.parked(progress, now_ms=1_000, expected_wait_s=400.0)
        assert decision.progress is not None
        progress = decision.progress
        seen.append(decision.tier)
    assert seen == ["5s", "25s", "1m", "5m", "5m", "5m"]
    assert (progress.attempt, progress.step, progress.parked_at_ms) == (2, 6, 1_000)


@pytest.mark.parametrize(
    ("expected_wait_s", "outage", "tiers"),
    [
        (7.0, False, ["5s", "5s", "5s", "5s"]),  # it is not parked for longer than it would have waited
        (2_400.0, False, ["5s", "25s", "1m", "5m"]),
        (2_500.0, False, ["25s", "25s", "1m", "5m"]),
        (6_000.0, False, ["1m", "1m", "1m", "5m"]),
        (float("inf"), False, ["1m", "1m", "1m", "5m"]),  # an endpoint that hangs
        (float("inf"), True, ["5s", "25s", "1m", "5m"]),  # our own outage may be over at any moment
    ],
)
def test_parking_leaves_out_the_hops_that_a_long_queue_would_outlast(
    expected_wait_s: float, outage: bool, tiers: list[str]
) -> None:
    """What stands before an endpoint that hangs must not come back every five seconds: that costs the others."""
    hops = [
        schedule.parked(Progress(parked=hop), 1_000, expected_wait_s, outage=outage).tier for hop in range(4)
    ]
    assert hops == tiers


@pytest.mark.parametrize(
    ("outage", "fault", "why"),
    [(False, "subscriber", "endpoint at its limit"), (True, "tocsin", "hardly any endpoint can be reached")],
)
def test_parked_for_a_day_is_dead_lettered_as_the_fault_of_whom_it_waited_for(
    outage: bool, fault: str, why: str
) -> None:
    progress = Progress(parked=9, parked_at_ms=1_000)
    decision = schedule.parked(progress, now_ms=1_000 + schedule.PARKED_MAX_MS, outage=outage)
    assert (decision.verdict, decision.reason, decision.fault) == ("dead_letter", "overloaded", fault)
    assert decision.progress is not None
    assert why in (decision.progress.last_error or "")


def test_interrupted_attempt_is_not_spent() -> None:
    decision = schedule.interrupted(Progress(attempt=1, step=3))
    assert decision.progress is not None
    assert (decision.tier, decision.progress.attempt, decision.progress.step) == ("5s", 1, 4)
