"""Replays against a real Kafka: exactly what was asked for, once, whatever is killed meanwhile."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.harness.installation import Installation, header
from tests.harness.jobs import ask, finished
from tests.harness.records import deliveries_of, letter, replayed
from tocsin.deliveries import Progress, read_progress
from tocsin.kafka import snapshot
from tocsin.selection import Selection


@pytest.fixture(scope="module")
def replaying(bare: Installation) -> Installation:
    """An installation with a replay program, for tests that kill nothing; each has its own subscriptions."""
    bare.start("replay")
    return bare


def test_letters_meant_are_replayed_unchanged_and_no_others(replaying: Installation) -> None:
    replaying.write(*(letter(replaying, f"a{number}", "alice") for number in range(300)))
    replaying.write(*(letter(replaying, f"g{number}", "alice", "gone") for number in range(50)))
    replaying.write(*(letter(replaying, f"b{number}", "bob") for number in range(50)))
    there = sum(snapshot.ends(replaying.settings, replaying.topics.dlq).values())
    job = ask(replaying, Selection(subscription_id="alice", reason="exhausted"))
    progress = finished(replaying, job)
    assert (progress.state, progress.selected, progress.replayed, progress.read) == ("done", 300, 300, there)
    messages = replayed(replaying, "alice")
    assert replayed(replaying, "bob") == []
    assert deliveries_of(messages) == Counter(f"a{number}" for number in range(300))
    for message in messages:
        name = header(message, "tocsin_delivery_id")
        assert (message.key(), message.value()) == (b"alice", f"the value of {name}".encode())
        assert (header(message, "ce_id"), header(message, "traceparent")) == (f"e-{name}", "00-11-22-01")
        assert read_progress(message.headers()) == Progress(run=job)  # type: ignore[arg-type]
        assert header(message, "tocsin_reason") is None


def test_delivery_that_was_dead_lettered_twice_is_replayed_once_a_job(replaying: Installation) -> None:
    replaying.write(*(letter(replaying, name, "twice") for name in ("d", "other", "d")))
    first, second = (ask(replaying, Selection(subscription_id="twice")) for _ in range(2))
    assert finished(replaying, first).selected == finished(replaying, second).replayed == 2
    messages = replayed(replaying, "twice")
    met = Counter((header(m, "tocsin_delivery_id"), header(m, "tocsin_run")) for m in messages)
    assert met == Counter((name, job) for name in ("d", "other") for job in (first, second))


def test_rate_is_kept_and_letter_that_comes_while_a_job_runs_is_not_met(replaying: Installation) -> None:
    """What fails again during its replay would otherwise be replayed for ever."""
    replaying.write(*(letter(replaying, f"d{number}", "late") for number in range(100)))
    job = ask(replaying, Selection(subscription_id="late"), rate_per_s=50.0)
    replaying.wait_for(
        replaying.topics.redeliveries, lambda message: header(message, "tocsin_run") == job, count=10
    )
    replaying.write(*(letter(replaying, f"late{number}", "late") for number in range(20)))
    assert finished(replaying, job).replayed == 100
    messages = replayed(replaying, "late")
    assert deliveries_of(messages) == Counter(f"d{number}" for number in range(100))
    times = [message.timestamp()[1] for message in messages]
    assert 1_700 < max(times) - min(times) < 4_000


def test_request_that_cannot_be_run_fails_and_the_next_is_run(replaying: Installation) -> None:
    bad = ask(replaying, rate_per_s=0.0)
    progress = finished(replaying, bad)
    assert progress.state == "failed"
    assert "rate" in (progress.error or "")
    assert finished(replaying, ask(replaying, Selection(subscription_id="nobody"))).state == "done"


def test_another_copy_goes_on_where_a_stopped_one_was(own: Installation) -> None:
    own.start("replay")
    own.another("replay")
    own.write(*(letter(own, f"d{number}", f"s{number % 9}") for number in range(240)))
    job = ask(own, rate_per_s=40.0)
    for program in list(own.fleet.programs):
        before = len(replayed(own))
        own.wait_for(own.topics.redeliveries, lambda message: True, count=min(before + 10, 240))
        own.another("replay")
        program.stop()
    assert finished(own, job).replayed == 240
    assert deliveries_of(replayed(own)) == Counter(f"d{number}" for number in range(240))
