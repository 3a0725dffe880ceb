"""Jobs as they are asked for, and what they tell of themselves."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import get_args

from confluent_kafka import Message

from tests.harness.installation import Installation
from tocsin import jobs
from tocsin.jobs import Kind, ReplayProgress, ReplayRequest, State
from tocsin.kafka import jobrows
from tocsin.kafka.jobrows import JobRows
from tocsin.selection import Selection


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
    return reach(own, job, *(set(get_args(State)) - {"running"}), timeout_s=timeout_s)


def reach(own: Installation, job: str, *states: State, timeout_s: float = 40.0) -> ReplayProgress:
    """Return the first progress of a job in one of these states."""
    row = jobrows.reader(own.registry)

    def wanted(message: Message) -> bool:
        if message.key() != jobs.progress_key(job).encode():
            return False
        progress = row(message)
        return isinstance(progress, ReplayProgress) and progress.state in states

    progress = row(own.wait_for(own.topics.jobs, wanted, timeout_s=timeout_s)[0])
    assert isinstance(progress, ReplayProgress)
    return progress
