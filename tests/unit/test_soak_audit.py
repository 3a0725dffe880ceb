"""The soak's auditor: it finds what is wrong, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.soak.audit import Findings, Served, audit, takeovers_ms
from tests.soak.ledgers import Crash, Ledgers, Letter, Post, Published, Subscriber, Tried
from tocsin import deliveries

SOURCE = "/soak"
EVENT = Published("e1", "drift.alert", "governlayer", "acme", sent_ms=500.0)
OURS = Subscriber("wh_ours", "acme", "governlayer", ("drift.*",), "healthy", "secret")
THEIRS = replace(OURS, id="wh_theirs", organization="globex")
ID = str(deliveries.delivery_id(SOURCE, EVENT.event_type, EVENT.event_id, OURS.id))
POST = Post(OURS.id, ID, EVENT.event_id, b"body", 200, at_ms=1_000.0)
TRIED = Tried(ID, "0", 0, "delivered", None, posted=True, started_ms=995.0, decided_ms=1_010.0)
GOOD = Ledgers([EVENT], [OURS, THEIRS], [POST], [TRIED], [], [])
CRASH = Crash("delivery-1 killed", at_ms=1_100.0, seen_ms=1_105.0)


def found(ledgers: Ledgers) -> Findings:
    return audit(ledgers, SOURCE)


def test_promises_hold_where_one_post_was_accepted_and_decided() -> None:
    findings = found(GOOD)
    assert findings.holds
    assert (findings.events, findings.deliveries, findings.repeated, findings.bound) == (1, 1, 0, 0)


def test_delivery_is_lost_that_was_neither_accepted_nor_dead_lettered() -> None:
    assert len(found(replace(GOOD, posts=[], tried=[])).lost) == 1
    assert len(found(replace(GOOD, posts=[replace(POST, status=500)])).lost) == 1


def test_dead_letter_is_not_lost() -> None:
    failing = replace(OURS, behaviour="failing")
    letters = [Letter(ID, "0", "exhausted")]
    assert found(replace(GOOD, subscribers=[failing], posts=[], tried=[], letters=letters)).holds


def test_dead_letter_of_an_endpoint_that_would_have_accepted_it_breaks_a_promise() -> None:
    """When nobody can be reached, deliveries wait: the fault is not theirs."""
    assert not found(replace(GOOD, letters=[Letter(ID, "0", "exhausted")])).holds


def test_event_from_before_a_subscription_was_effective_may_arrive_or_not() -> None:
    late = replace(OURS, effective_ms=EVENT.sent_ms + 1)
    assert found(replace(GOOD, subscribers=[late])).holds
    assert found(replace(GOOD, subscribers=[late], posts=[], tried=[])).holds


def test_endpoint_that_was_disabled_rightly_is_owed_what_was_routed_and_no_more() -> None:
    gone = replace(OURS, behaviour="gone")
    disabled = replace(GOOD, subscribers=[gone], posts=[], tried=[], disabled={gone.id})
    assert found(disabled).holds
    assert len(found(replace(disabled, routed={ID})).lost) == 1
    assert len(found(replace(disabled, subscribers=[OURS])).lost) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        replace(POST, delivery_id="00000000-0000-0000-0000-000000000000"),
        replace(POST, subscription=THEIRS.id),
        replace(POST, event_id="e2"),
        replace(POST, body=b"other", at_ms=1_001.0),
    ],
    ids=["another delivery id", "another organization", "nobody published it", "another body"],
)
def test_request_that_was_not_to_be_is_a_fork(wrong: Post) -> None:
    assert found(replace(GOOD, posts=[POST, wrong])).forked


@pytest.mark.parametrize(
    "second",
    [
        replace(TRIED, verdict="retry", next_tier="5s", started_ms=1_200.0, decided_ms=1_210.0),
        replace(TRIED, step=1, started_ms=1_200.0, decided_ms=1_210.0),
    ],
    ids=["one identity, two decisions", "a run that goes on after its end"],
)
def test_contradicting_decision_is_a_fork(second: Tried) -> None:
    again = replace(POST, at_ms=1_205.0)
    assert found(replace(GOOD, posts=[POST, again], tried=[TRIED, second])).forked


def test_repeat_of_a_post_that_was_open_at_a_crash_is_within_the_bound() -> None:
    open_one = replace(POST, at_ms=1_099.0)
    again = replace(POST, at_ms=9_000.0)
    decided = replace(TRIED, started_ms=8_995.0, decided_ms=9_010.0)
    findings = found(replace(GOOD, posts=[open_one, again], tried=[decided], crashes=[CRASH]))
    assert findings.holds
    assert (findings.repeated, findings.bound) == (1, 1)


@pytest.mark.parametrize("at_ms", [1_099.0 - 36_000.0, 1_105.0 + 501.0], ids=["long before", "after"])
def test_repeat_of_a_post_that_was_open_at_no_crash_is_unexplained(at_ms: float) -> None:
    """However large the bound is: another POST that was open fills it here."""
    unexplained = replace(POST, at_ms=at_ms)
    again = replace(POST, at_ms=9_000.0)
    decided = replace(TRIED, started_ms=8_995.0, decided_ms=9_010.0)
    filling = [replace(POST, at_ms=1_098.0)]
    findings = found(replace(GOOD, posts=[unexplained, *filling, again], tried=[decided], crashes=[CRASH]))
    assert len(findings.unexplained) == 1
    assert not findings.holds


def test_post_that_an_endpoint_read_late_was_open_at_a_crash_if_others_were_read_as_late() -> None:
    """On a machine with more to do than it can, a request waits in the kernel until the endpoint's thread runs."""
    late = replace(POST, at_ms=CRASH.seen_ms + 900.0)
    again = replace(POST, at_ms=9_000.0)
    decided = replace(TRIED, started_ms=8_995.0, decided_ms=9_010.0)
    other = replace(POST, delivery_id="other", at_ms=1_650.0)
    as_late = replace(TRIED, delivery_id="other", started_ms=1_150.0, decided_ms=1_700.0)
    alone = Ledgers([EVENT], [OURS], [late, again], [decided], [], [CRASH])
    assert found(alone).unexplained
    assert not found(replace(alone, posts=[late, other, again], tried=[decided, as_late])).unexplained


def test_post_that_was_decided_already_is_unexplained() -> None:
    again, decided = replace(POST, at_ms=1_205.0), replace(TRIED, started_ms=1_200.0, decided_ms=1_210.0)
    findings = found(replace(GOOD, posts=[POST, again], tried=[TRIED, decided], crashes=[CRASH]))
    assert (findings.repeated, len(findings.unexplained), findings.holds) == (1, 1, False)


def test_attempt_record_that_was_written_twice_is_one_attempt() -> None:
    assert found(replace(GOOD, tried=[TRIED, replace(TRIED, decided_ms=5_000.0)])).repeated == 0


def test_request_that_does_not_verify_breaks_a_promise() -> None:
    assert not found(replace(GOOD, refused=["a request does not verify"])).holds


def test_takeover_is_the_time_until_the_last_endpoint_held_up_is_served_again() -> None:
    served = [
        Served("never held up", 1_200.0, 1_210.0),
        Served("soon", 1_090.0, 9_100.0),
        Served("late", 1_500.0, 10_100.0),
        Served("late", 1_600.0, 14_000.0),
        Served("by something else", 20_000.0, 30_000.0),
    ]
    assert takeovers_ms(served, [CRASH], window_ms=15_000.0) == [9_000.0]
