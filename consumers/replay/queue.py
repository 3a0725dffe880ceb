"""Which job is next. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from tocsin.deliveries import LIVE_RUN
from tocsin.jobs import ReplayProgress, ReplayRequest

Row = ReplayRequest | ReplayProgress

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


def next_job(rows: Iterable[Row]) -> tuple[ReplayRequest, ReplayProgress | None] | None:
    """Return the unfinished job that was asked for first, with how far it has come; None if all are finished."""
    requests, progress = [], {}
    for row in rows:
        if isinstance(row, ReplayProgress):
            progress[row.job] = row
        else:
            requests.append(row)
    for request in sorted(requests, key=lambda request: (request.requested_at, request.job)):
        known = progress.get(request.job)
        if known is None or known.state == "running":
            return request, known
    return None


def fault(request: ReplayRequest) -> str | None:
    """Return why a request cannot be run, or None."""
    if not _NAME.match(request.job) or request.job == LIVE_RUN:
        return (
            f"a job's name has 1 to 64 letters, digits, dots, dashes and underscores, and is not {LIVE_RUN!r}"
        )
    if not math.isfinite(request.rate_per_s) or request.rate_per_s <= 0:
        return "the rate must be more than 0 deliveries a second"
    return None
