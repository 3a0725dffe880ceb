"""Which of two records of a subscription counts: every reader must come to the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tocsin.subscriptions import Subscription, supersedes

FIRST = Subscription("wh_1", "acme", "one", "https://example.com/", ("*",), 0, 0, 0, offset=0)


def counting(log: Sequence[Subscription]) -> Subscription:
    """Return what a reader of a log holds in the end."""
    held = log[0]
    for record in log[1:]:
        if supersedes(record, held):
            held = record
    return held


def content(subscription: Subscription) -> Subscription:
    return replace(subscription, offset=-1, effective_at=0, confirmed=False)


def test_next_version_counts_and_an_earlier_one_does_not() -> None:
    second = replace(FIRST, version=2, active=False, offset=1)
    assert supersedes(second, FIRST)
    assert not supersedes(FIRST, second)


def test_first_of_two_writers_of_one_version_counts() -> None:
    ours = replace(FIRST, version=2, description="ours", offset=1)
    theirs = replace(FIRST, version=2, description="theirs", offset=2)
    assert not supersedes(theirs, ours)


def test_version_written_again_for_a_later_acknowledgement_takes_its_own_place() -> None:
    late = replace(FIRST, effective_at=5_000, offset=3)
    assert supersedes(late, FIRST)


def test_confirmed_winner_takes_the_place_of_who_came_second() -> None:
    """For a reader that compaction let find the second alone."""
    ours = replace(FIRST, version=2, description="ours", offset=1)
    theirs = replace(FIRST, version=2, description="theirs", offset=2)
    assert supersedes(replace(ours, confirmed=True, offset=3), theirs)
    assert not supersedes(replace(ours, confirmed=True, offset=3), replace(theirs, version=3))


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("abc")), min_size=1, max_size=12), st.data())
def test_mended_log_means_the_same_to_every_reader_whatever_compaction_left(
    writes: list[tuple[int, str]], data: st.DataObject
) -> None:
    log = [
        replace(FIRST, version=version, description=text, offset=offset)
        for offset, (version, text) in enumerate(writes)
    ]
    winner = counting(log)
    left = [each for each in log if data.draw(st.booleans())]
    left.append(replace(winner, confirmed=True, offset=len(log)))
    assert content(counting(left)) == content(winner)
