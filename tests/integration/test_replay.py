"""Replays against a real Kafka: exactly what was asked for, once, whatever is killed meanwhile."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from confluent_kafka import Message

from tests.harness.installation import Installation, header
from tocsin import jobs
from tocsin.deliveries import Progress, progress_headers, read_progress
from tocsin.jobs import Kind, ReplayProgress, ReplayRequest
from tocsin.kafka import pipeline, snapshot
from tocsin.kafka.jobrows import JobRows
from tocsin.kafka.writer import Outgoing
from tocsin.selection import Selection


def letter(
    own: Installation, delivery_id: str, subscription: str = "s", reason: str = "exhausted"
) -> Outgoing:
    """Return a dead letter, as the delivery program writes it."""
    return Outgoing(
        own.topics.dlq,
        subscription.encode(),
        b"the value of " + delivery_id.encode(),
        [
            ("ce_id", b"e-" + delivery_id.encode()),
            ("traceparent", b"00-11-22-01"),
            ("tocsin_delivery_id", delivery_id.encode()),
            *progress_headers(Progress(step=6, attempt=5, last_status=500, last_error="HTTP 500")),
            ("tocsin_reason", reason.encode()),
            ("tocsin_source", b"somewhere/0/0"),
            ("__connect.errors.topic", b"somewhere"),
        ],
    )


def ask(
    own: Installation,
    selection: Selection | None = None,
    rate_per_s: float = 10_000.0,
    kind: Kind = "replay",
    target: str | None = None,
    end_offsets: Mapping[str, int] | None = None,
) -> str:
    """Ask for a job and return its name."""
    job = f"r{uuid.uuid4().hex[:8]}"
    now_ms = int(time.time() * 1000)
    request = ReplayRequest(
        job,
        "tests",
        now_ms,
        selection or Selection(),
        rate_per_s=rate_per_s,
        kind=kind,
        target=target,
        end_offsets=end_offsets or {},
    )
    own.write(JobRows(own.registry, own.topics).request(request))
    return job


def finished(own: Installation, job: str, timeout_s: float = 40.0) -> ReplayProgress:
    """Return a job's last progress, once it says that the job is over."""
    decode = pipeline.decoder(own.registry, "replay_progress")

    def read(message: Message) -> ReplayProgress:
        return jobs.progress_from_record(decode(message.value()).record)

    def over(message: Message) -> bool:
        return message.key() == jobs.progress_key(job).encode() and read(message).state != "running"

    return read(own.wait_for(own.topics.jobs, over, timeout_s=timeout_s)[0])


def replayed(own: Installation, subscription: str | None = None) -> list[Message]:
    """Return what was replayed, of one subscription or of all."""
    found = own.read(own.topics.redeliveries)
    return [message for message in found if subscription is None or message.key() == subscription.encode()]


@pytest.fixture(scope="module")
def replaying(bare: Installation) -> Installation:
    """An installation with a replay program, for tests that kill nothing; each has its own subscriptions."""
    bare.start("replay")
    return bare


def deliveries_of(messages: Sequence[Message]) -> Counter[str]:
    """Return how often each delivery stands among records."""
    return Counter(header(message, "tocsin_delivery_id") or "" for message in messages)


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
