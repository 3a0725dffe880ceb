"""Replay jobs as the command sees them: asked for, followed, listed."""

from __future__ import annotations

import getpass
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import Message

from tocsin import jobs
from tocsin.cli import feed, times
from tocsin.cli.cluster import Cluster
from tocsin.jobs import ReplayProgress, ReplayRequest
from tocsin.kafka import pipeline
from tocsin.kafka.writer import Outgoing
from tocsin.selection import Selection


@dataclass(frozen=True, slots=True)
class Job:
    """A replay: what was asked, and how far it has come."""

    request: ReplayRequest
    progress: ReplayProgress | None = None

    @property
    def state(self) -> str:
        return self.progress.state if self.progress is not None else "waiting"


def submit(cluster: Cluster, selection: Selection, why: str, rate: float) -> str:
    """Ask for a replay and return the job's name; raises as `Cluster.store`."""
    now_ms = round(time.time() * 1000)
    job = f"rpl-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now_ms / 1000))}-{uuid.uuid4().hex[:6]}"
    request = jobs.ReplayRequest(job, getpass.getuser(), now_ms, selection, why=why, rate_per_s=rate)
    encode = pipeline.encoder(cluster.registry, cluster.topics, "replay_request")
    value = encode(jobs.request_to_record(request))
    cluster.store(Outgoing(cluster.topics.jobs, jobs.request_key(job).encode(), value))
    return job


def follow(cluster: Cluster) -> Iterator[ReplayProgress | None]:
    """Yield the progress of every job whenever it is written, and None whenever nothing was for a moment.

    What was written before comes first; raises as `feed.read`.
    """
    decode = pipeline.decoder(cluster.registry, "replay_progress")
    for batch in feed.read(cluster, cluster.topics.jobs, feed.Since(0), follow=True):
        for message in batch:
            if (message.key() or b"").endswith(jobs.progress_key("").encode()) and message.value():
                yield jobs.progress_from_record(feed.record(decode, message))
        if not batch:
            yield None


def read(cluster: Cluster) -> dict[str, Job]:
    """Return every job by its name; raises as `feed.read`."""
    requests = pipeline.decoder(cluster.registry, "replay_request")
    progresses = pipeline.decoder(cluster.registry, "replay_progress")

    def decode(message: Message) -> ReplayRequest | ReplayProgress:
        if (message.key() or b"").endswith(b"/request"):
            return jobs.request_from_record(feed.record(requests, message))
        return jobs.progress_from_record(feed.record(progresses, message))

    rows = feed.latest(cluster, cluster.topics.jobs, decode)
    found = {row.job: Job(row) for row in rows.values() if isinstance(row, jobs.ReplayRequest)}
    for row in rows.values():
        if isinstance(row, jobs.ReplayProgress) and row.job in found:
            found[row.job] = replace(found[row.job], progress=row)
    return found


def document(job: Job) -> dict[str, Any]:
    """Return a job for machines."""
    request = job.request
    selection = {name: getattr(request.selection, name) for name in request.selection.__slots__}
    return {
        "job": request.job,
        "state": job.state,
        "requested_by": request.requested_by,
        "requested_at": times.rfc3339(request.requested_at),
        "why": request.why,
        "rate_per_s": request.rate_per_s,
        "selection": selection,
        "progress": progress_document(job.progress) if job.progress is not None else None,
    }


def progress_document(row: ReplayProgress) -> dict[str, Any]:
    """Return a job's progress for machines."""
    return {
        "job": row.job,
        "state": row.state,
        "selected": row.selected,
        "replayed": row.replayed,
        "error": row.error,
        "updated_at": times.rfc3339(row.updated_at),
    }
