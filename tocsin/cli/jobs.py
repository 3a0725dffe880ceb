"""Jobs as the command sees them: asked for, steered, followed, listed."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator
from typing import Any

from tocsin import jobs, selection
from tocsin.cli import feed, output, times
from tocsin.cli.cluster import Cluster
from tocsin.jobs import DEFAULT_RATE_PER_S, Job, JobControl, Kind, ReplayProgress, ReplayRequest, Wanted
from tocsin.kafka import jobrows
from tocsin.kafka.jobrows import JobRows
from tocsin.selection import Selection


def submit(
    cluster: Cluster,
    chosen: Selection,
    why: str,
    *,
    kind: Kind = "replay",
    rate: float = DEFAULT_RATE_PER_S,
    target: str | None = None,
) -> str:
    """Ask for a job and return its name; raises as `Cluster.store`."""
    now_ms = round(time.time() * 1000)
    request = ReplayRequest(
        jobs.new_name(kind, now_ms, os.urandom(3)),
        actor(),
        now_ms,
        chosen,
        why=why,
        rate_per_s=rate,
        kind=kind,
        target=target,
    )
    cluster.store(JobRows(cluster.registry, cluster.topics).request(request))
    return request.job


def steer(cluster: Cluster, job: str, wanted: Wanted, why: str) -> None:
    """Pause, resume or cancel a job; raises as `Cluster.store`."""
    control = JobControl(job, wanted, actor(), round(time.time() * 1000), why)
    cluster.store(JobRows(cluster.registry, cluster.topics).control(control))


def actor() -> str:
    """Return who uses the command, as jobs and the audit name them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        # A container's user has a number and seldom a name.
        return f"cli:{os.getuid()}"


def follow_or_say(cluster: Cluster, job: str, deliveries: int, *, wait: bool, as_json: bool) -> None:
    """Follow a job to its end, or say only that it was asked for.

    Args:
        deliveries: How many are expected.
        wait: Whether to follow it.

    Raises:
        Failure: The job failed.
    """
    from tocsin.cli import follower

    if wait:
        follower.finish(job, follow(cluster), deliveries, as_json)
    elif as_json:
        output.json_document({"job": job, "deliveries": deliveries})
    else:
        print(job)
        output.notice(
            f"{output.deliveries(deliveries)} will be replayed; `tocsin replay status {job}` shows how far it is"
        )


def follow(cluster: Cluster) -> Iterator[ReplayProgress | None]:
    """Yield the progress of every job whenever it is written, and None whenever nothing was for a moment.

    What was written before comes first; raises as `feed.read`.
    """
    row = jobrows.reader(cluster.registry)
    for batch in feed.read(cluster, cluster.topics.jobs, feed.Since(0), follow=True):
        for message in batch:
            if (message.key() or b"").endswith(jobs.progress_key("").encode()) and message.value():
                progress = row(message)
                if isinstance(progress, ReplayProgress):
                    yield progress
        if not batch:
            yield None


def read(cluster: Cluster) -> dict[str, Job]:
    """Return every job by its name, the one asked for first in front; raises as `feed.read`."""
    rows = feed.latest(cluster, cluster.topics.jobs, jobrows.reader(cluster.registry))
    return jobs.join(rows.values())


def document(job: Job) -> dict[str, Any]:
    """Return a job for machines."""
    request = job.request
    return {
        "job": request.job,
        "kind": request.kind,
        "state": job.state,
        "requested_by": request.requested_by,
        "requested_at": times.rfc3339(request.requested_at),
        "why": request.why,
        "rate_per_s": request.rate_per_s,
        "target": request.target,
        "selection": selection.given(request.selection),
        "eta_s": job.eta_s,
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
