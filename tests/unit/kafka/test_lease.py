"""A member acts only while the group certainly has not replaced it, whatever is late or lost on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.kafka.lease import RENEW_SHARE, SHARE, TAG_MAX_BYTES, Lease, without_tag

SESSION_S = 10.0
HEARTBEAT_S = SESSION_S / 5


def test_nothing_is_held_before_the_first_commit_is_accepted() -> None:
    lease = Lease(SESSION_S)
    assert not lease.holds(0.0)
    lease.begin(0.0)
    assert not lease.holds(0.1)


def test_acceptance_counts_from_when_the_commit_was_begun() -> None:
    """Who is frozen in between finds the acceptance when it wakes up, long after somebody else took over."""
    lease = Lease(SESSION_S)
    tag = lease.begin(100.0)
    lease.accepted("window" + tag)
    assert lease.holds(100.0 + SHARE * SESSION_S - 0.01)
    assert not lease.holds(100.0 + SHARE * SESSION_S)


def test_acceptance_of_an_old_commit_says_nothing_though_a_newer_one_is_on_its_way() -> None:
    lease = Lease(SESSION_S)
    old = lease.begin(0.0)
    lease.begin(60.0)
    lease.accepted(old)
    assert not lease.holds(60.0)


def test_commit_that_is_not_this_members_says_nothing() -> None:
    lease = Lease(SESSION_S)
    lease.begin(0.0)
    for metadata in ("", "window", "window;", "window;zz", "window;2"):
        lease.accepted(metadata)
    assert not lease.holds(0.0)


def test_lease_is_renewed_before_it_runs_out() -> None:
    lease = Lease(SESSION_S)
    assert lease.is_due(0.0)
    lease.begin(0.0)
    assert not lease.is_due(0.0)
    assert lease.is_due(RENEW_SHARE * SESSION_S)
    assert 3 * RENEW_SHARE < SHARE, "one or two renewals may come late"


def test_metadata_is_what_it_was_without_its_tag() -> None:
    lease = Lease(SESSION_S)
    for turn in range(1_000):
        tag = lease.begin(float(turn))
        assert len(tag) <= TAG_MAX_BYTES
        assert without_tag("AAAA==" + tag) == "AAAA=="
    assert without_tag("AAAA==") == "AAAA=="


@given(
    cut_s=st.floats(0.0, 50.0),
    answers=st.lists(st.floats(0.0, 40.0), min_size=1, max_size=60),
)
def test_lease_ends_before_anybody_may_be_the_new_owner(cut_s: float, answers: list[float]) -> None:
    """From `cut_s` on nothing reaches the group; acceptances of earlier commits arrive late, in any order."""
    lease = Lease(SESSION_S)
    arriving = []
    for turn, late_s in enumerate(answers):
        begun_s = float(turn)
        tag = lease.begin(begun_s)
        if begun_s <= cut_s:
            arriving.append((begun_s + late_s, tag))
    replaced_s = cut_s - HEARTBEAT_S + SESSION_S
    for at_s, tag in sorted(arriving):
        lease.accepted(tag)
        assert not lease.holds(max(at_s, replaced_s))
