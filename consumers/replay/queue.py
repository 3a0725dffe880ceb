"""Which jobs are next. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable

from tocsin.deliveries import LIVE_RUN
from tocsin.jobs import ENDED, Job, ReplayRequest

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


def next_jobs(jobs: Iterable[Job], busy: Collection[str], room: int) -> list[Job]:
    """Return the jobs to take up now.

    Those that are to be run come in the order in which they were asked for, as many as there is room for. Those that
    only have to be told that they are paused or cancelled need no room: nobody waits for a pause behind a long job.

    Args:
        jobs: All jobs, the one asked for first in front.
        busy: Names of those that are taken up already.
        room: How many more may be run at once.
    """
    chosen = []
    for job in jobs:
        if job.state in ENDED or job.request.job in busy:
            continue
        if job.wanted == "run":
            if room > 0:
                room -= 1
                chosen.append(job)
        elif job.wanted == "cancel" or job.state == "running":
            chosen.append(job)
    return chosen


def fault(request: ReplayRequest) -> str | None:
    """Return why a request cannot be run, or None."""
    if not _NAME.match(request.job) or request.job == LIVE_RUN:
        return (
            f"a job's name has 1 to 64 letters, digits, dots, dashes and underscores, and is not {LIVE_RUN!r}"
        )
    if not math.isfinite(request.rate_per_s) or request.rate_per_s <= 0:
        return "the rate must be more than 0 deliveries a second"
    if request.kind not in ("replay", "recover", "purge"):
        return f"{request.kind!r} is nothing that a job can do"
    if request.kind == "recover" and (
        request.selection.subscription_id is None or request.selection.since is None
    ):
        return "what an endpoint missed needs a subscription, and a time to begin at"
    return None
