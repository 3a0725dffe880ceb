"""Replays against a real Kafka: exactly what was asked for, once, whatever is killed meanwhile."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest
from confluent_kafka import Message

from tests.harness.installation import Installation, header
from tocsin import jobs
from tocsin.deliveries import Progress, progress_headers, read_progress
from tocsin.jobs import ReplayProgress, ReplayRequest
from tocsin.kafka import pipeline
from tocsin.kafka.writer import Outgoing
from tocsin.selection import Selection


def letter(own: Installation, delivery_id: str, subscription: str = "s", reason: str = "exhausted") -> Outgoing:
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


def names(numbers: Iterable[int]) -> set[str]:
    return {f"d{number}" for number in numbers}


def ask(own: Installation, selection: Selection | None = None, rate_per_s: float = 10_000.0) -> str:
    """Ask for a replay and return the job's name."""
    job = f"r{uuid.uuid4().hex[:8]}"
    now = int(time.time() * 1000)
    request = ReplayRequest(job, "tests", now, selection or Selection(), rate_per_s=rate_per_s)
    encode = pipeline.encoder(own.registry, own.topics, "replay_request")
    key = jobs.request_key(job).encode()
    own.write(Outgoing(own.topics.jobs, key, encode(jobs.request_to_record(request))))
    return job


def finished(own: Installation, job: str, timeout_s: float = 40.0) -> ReplayProgress:
    """Return a job's last progress, once it says that the job is over."""
    decode = pipeline.decoder(own.registry, "replay_progress")

    def read(message: Message) -> ReplayProgress:
        return jobs.progress_from_record(decode(message.value()).record)

    def over(message: Message) -> bool:
        return message.key() == jobs.progress_key(job).encode() and read(message).state != "running"

    return read(own.wait_for(own.topics.jobs, over, timeout_s=timeout_s)[0])


def replayed(own: Installation) -> list[Message]:
    return own.read(own.topics.redeliveries)


def deliveries_of(messages: Sequence[Message]) -> Counter[str]:
    """Return how often each delivery stands among records."""
    return Counter(header(message, "tocsin_delivery_id") or "" for message in messages)


def test_letters_meant_are_replayed_once_and_no_others(own: Installation) -> None:
    own.start("replay")
    for number in range(0, 600, 3):
        own_letters = [
            letter(own, f"d{number}", "alice"),
            letter(own, f"d{number + 1}", "alice", "gone"),
            letter(own, f"d{number + 2}", "bob"),
        ]
        own.write(*own_letters) if number == 0 else None
        if number == 0:
            continue
    own.write(
        *(letter(own, f"d{n}", "alice" if n % 3 else "bob", "gone" if n % 3 == 1 else "exhausted") for n in range(3, 600))
    )
