"""Which jobs are next, and which cannot be run at all."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from consumers.replay.queue import fault, next_jobs
from tocsin import jobs
from tocsin.jobs import JobControl, Kind, ReplayProgress, ReplayRequest, Row, State, Wanted
from tocsin.selection import Selection


def request(job: str, at: int = 0, rate_per_s: float = 100.0) -> ReplayRequest:
    return ReplayRequest(job, "me", at, Selection(), rate_per_s=rate_per_s)


def progress(job: str, state: State) -> ReplayProgress:
    return ReplayProgress(job, state, 1, {}, {}, 0)


def control(job: str, wanted: Wanted) -> JobControl:
    return JobControl(job, wanted, "me", 0)


@pytest.mark.parametrize(
    ("rows", "next_are"),
    [
        ([], []),
        ([request("a")], ["a"]),
        ([request("b", at=2), request("a", at=3)], ["b", "a"]),
        ([request("b", at=2), request("a", at=2)], ["a", "b"]),
        ([request("a", at=1), request("b", at=2), request("c", at=3)], ["a", "b"]),
        ([progress("a", "running"), request("a")], ["a"]),
        ([request("a"), progress("a", "done")], []),
        ([request("a"), progress("a", "failed")], []),
        ([request("a"), progress("a", "cancelled"), control("a", "run")], []),
        ([progress("a", "running")], []),
        ([request("a"), control("a", "pause")], []),
        ([request("a"), progress("a", "paused"), control("a", "pause")], []),
        ([request("a"), progress("a", "running"), control("a", "pause")], ["a"]),
        ([request("a"), progress("a", "paused"), control("a", "run")], ["a"]),
        ([request("a"), control("a", "cancel")], ["a"]),
        ([request("a"), progress("a", "paused"), control("a", "cancel")], ["a"]),
    ],
)
def test_next_are_the_unfinished_jobs_that_were_asked_for_first(rows: list[Row], next_are: list[str]) -> None:
    found = next_jobs(jobs.join(rows).values(), (), room=2)
    assert [job.request.job for job in found] == next_are


def test_pause_and_cancel_wait_for_no_room() -> None:
    rows: list[Row] = [request("a", at=1), request("b", at=2), request("c", at=3)]
    rows += [progress("b", "running"), control("b", "pause"), control("c", "cancel")]
    found = next_jobs(jobs.join(rows).values(), ("x", "y"), room=0)
    assert [job.request.job for job in found] == ["b", "c"]


def test_job_that_is_taken_up_already_is_not_taken_up_again() -> None:
    rows: list[Row] = [request("a", at=1), request("b", at=2)]
    assert [job.request.job for job in next_jobs(jobs.join(rows).values(), ("a",), room=1)] == ["b"]


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


@pytest.mark.parametrize(
    ("kind", "selection", "told"),
    [
        ("recover", Selection(subscription_id="s"), "a time to begin at"),
        ("recover", Selection(since=1), "needs a subscription"),
        ("delete", Selection(), "nothing that a job can do"),
    ],
)
def test_job_that_says_too_little_is_refused(kind: Kind, selection: Selection, told: str) -> None:
    assert told in (fault(replace(request("a"), kind=kind, selection=selection)) or "")


def test_recovery_that_says_whose_and_since_when_is_run() -> None:
    selection = Selection(subscription_id="s", since=1)
    assert fault(replace(request("a"), kind="recover", selection=selection)) is None
