"""Which job is next, and which cannot be run at all."""

from __future__ import annotations

import math

import pytest

from consumers.replay.queue import Row, fault, next_job
from tocsin.jobs import ReplayProgress, ReplayRequest, State
from tocsin.selection import Selection


def request(job: str, at: int = 0, rate_per_s: float = 100.0) -> ReplayRequest:
    return ReplayRequest(job, "me", at, Selection(), rate_per_s=rate_per_s)


def progress(job: str, state: State) -> ReplayProgress:
    return ReplayProgress(job, state, 1, {}, {}, 0)


@pytest.mark.parametrize(
    ("rows", "next_is"),
    [
        ([], None),
        ([request("a")], ("a", None)),
        ([request("b", at=2), request("a", at=3)], ("b", None)),
        ([request("b", at=2), request("a", at=2)], ("a", None)),
        ([request("a"), progress("a", "running")], ("a", "running")),
        ([progress("a", "running"), request("a")], ("a", "running")),
        ([request("a"), progress("a", "done")], None),
        ([request("a"), progress("a", "failed")], None),
        ([request("a", at=1), progress("a", "done"), request("b", at=2)], ("b", None)),
        ([progress("a", "running")], None),
    ],
)
def test_next_is_the_unfinished_job_that_was_asked_for_first(
    rows: list[Row], next_is: tuple[str, str | None] | None
) -> None:
    found = next_job(rows)
    assert (found and (found[0].job, found[1] and found[1].state)) == next_is


@pytest.mark.parametrize("job", ["r", "2026-11-21.a_b", "x" * 64])
def test_job_with_a_name_that_can_travel_is_run(job: str) -> None:
    assert fault(request(job)) is None


@pytest.mark.parametrize("job", ["", "0", "x" * 65, "a b", "ä", "a\n", "a:b", "a/b"])
def test_job_whose_name_cannot_be_a_run_is_refused(job: str) -> None:
    """A run is part of a try's identity: `0` is the live one, and a colon separates it from the step."""
    assert "name" in (fault(request(job)) or "")


@pytest.mark.parametrize("rate_per_s", [0.0, -1.0, math.inf, math.nan])
def test_job_with_a_rate_that_is_none_is_refused(rate_per_s: float) -> None:
    assert "rate" in (fault(request("a", rate_per_s=rate_per_s)) or "")
