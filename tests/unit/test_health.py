"""Endpoint health as values: which generation it holds for, and what becomes of a subscription by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import health
from tocsin.health import Health, Reason, disables, standing, supersedes, told
from tocsin.subscriptions import Subscription

SUBSCRIPTION: Final = Subscription(
    "wh_1", "acme", "one", "https://example.com/", ("*",), 0, 0, 0, generation=3
)
DISABLED: Final = Health("wh_1", "acme", 3, True, "consecutive_failures", 5_000, 10, 1_000, 503, "HTTP 503")

HEALTHS = st.builds(
    Health,
    subscription_id=st.just("wh_1"),
    organization=st.text(max_size=5),
    generation=st.integers(0, 5),
    disabled=st.booleans(),
    reason=st.sampled_from([None, *get_args(Reason)]),
    since_ms=st.integers(0, 1 << 41),
    consecutive_failures=st.integers(0, 1 << 40),
    failing_since_ms=st.none() | st.integers(0, 1 << 41),
    last_status=st.none() | st.integers(100, 599),
    last_error=st.none() | st.text(max_size=5),
)


@given(HEALTHS)
def test_record_holds_all_of_it(found: Health) -> None:
    assert health.from_record(health.to_record(found)) == found


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (DISABLED, True),
        (replace(DISABLED, generation=4), True),
        (replace(DISABLED, generation=2), False),
        (replace(DISABLED, disabled=False), False),
        (None, False),
    ],
    ids=["its own", "a later one", "an earlier one", "enabled again", "none"],
)
def test_subscription_is_disabled_by_health_of_its_generation_or_a_later_one(
    found: Health | None, expected: bool
) -> None:
    """A later one: the ledger saw a version that this reader has not read yet."""
    assert disables(found, SUBSCRIPTION) == expected
    now = standing(SUBSCRIPTION, found)
    assert now.active != expected
    assert now is SUBSCRIPTION or now.inactive_reason == "10 attempts in a row failed"


def test_what_its_owner_disabled_says_so_whatever_was_found() -> None:
    off = replace(SUBSCRIPTION, active=False, inactive_reason="disabled by its owner")
    assert standing(off, DISABLED) is off


def test_enabling_and_disabling_that_cross_do_no_harm() -> None:
    """The owner enables generation 3 while the ledger disables it: generation 4 stands."""
    enabled = replace(SUBSCRIPTION, generation=4)
    assert standing(enabled, DISABLED).active


def test_what_a_crash_repeats_does_not_take_the_place_of_a_later_generation() -> None:
    assert supersedes(replace(DISABLED, disabled=False), DISABLED)
    assert not supersedes(DISABLED, replace(DISABLED, generation=4))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "10 attempts in a row failed"),
        ({"reason": "gone"}, "it answered 410 Gone"),
        ({"reason": "failing_too_long", "since_ms": 5 * 86_400_000 + 2_000}, "it has failed for 5 days"),
        ({"reason": "failing_too_long", "since_ms": 86_400_000 + 1_000}, "it has failed for 1 day"),
        ({"reason": "failing_too_long", "since_ms": 7_200_000 + 1_000}, "it has failed for 2 hours"),
        ({"reason": "failing_too_long", "since_ms": 46_000}, "it has failed for 45 s"),
    ],
)
def test_owner_is_told_why_in_words(changes: dict[str, object], words: str) -> None:
    assert told(replace(DISABLED, **changes)) == words  # type: ignore[arg-type]
