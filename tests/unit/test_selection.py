"""Which dead letters a selection means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.samples import LETTER
from tocsin.deliveries import Progress
from tocsin.selection import Selection, given, matches


@pytest.mark.parametrize(
    ("selection", "meant"),
    [
        (Selection(), True),
        (Selection(subscription_id="s"), True),
        (Selection(subscription_id="t"), False),
        (Selection(reason="exhausted"), True),
        (Selection(reason="gone"), False),
        (Selection(since=1_000), True),
        (Selection(since=1_001), False),
        (Selection(until=1_000), False),
        (Selection(until=1_001), True),
        (Selection(system="driftguard"), True),
        (Selection(system="tork"), False),
        (Selection(organization="acme"), True),
        (Selection(organization="rival"), False),
        (Selection(event_type="drift.*"), True),
        (Selection(event_type="drift.alert"), True),
        (Selection(event_type="scan.*"), False),
        (Selection(fault="subscriber"), True),
        (Selection(fault="tocsin"), False),
        (Selection(http_status=500), True),
        (Selection(http_status=503), False),
        (Selection(delivery_id="d"), True),
        (Selection(delivery_id="d2"), False),
        (Selection(error_text="http 5"), True),
        (Selection(error_text="timeout"), False),
        (Selection(subscription_id="s", reason="exhausted", since=999, until=1_001), True),
        (Selection(subscription_id="s", reason="gone", since=999, until=1_001), False),
    ],
)
def test_selection_means_letters_that_fit_all_it_says(selection: Selection, meant: bool) -> None:
    """From `since` on, and before `until`."""
    assert matches(selection, LETTER) is meant


def test_letter_without_an_error_has_no_text_in_it() -> None:
    assert not matches(Selection(error_text=""), replace(LETTER, progress=Progress()))


def test_only_what_a_selection_says_is_given() -> None:
    assert given(Selection(reason="gone", since=0)) == {"reason": "gone", "since": 0}


def test_letter_of_the_first_moment_of_time_is_before_any_since() -> None:
    assert not matches(Selection(since=1), replace(LETTER, timestamp_ms=0))
