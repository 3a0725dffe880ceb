"""A job is told by its rows: who asked, what is wanted, how far it has come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import jobs
from tocsin.jobs import Job, JobControl, ReplayProgress, ReplayRequest, Row, State, Wanted
from tocsin.selection import Selection

REQUEST = ReplayRequest("j", "cli:ann", 5, Selection(reason="gone"), rate_per_s=10.0)


def job(state: State | None = None, wanted: Wanted | None = None, **progress: Any) -> Job:
    """Return a job in a state, and what is wanted of it."""
    row = None if state is None else ReplayProgress("j", state, 100, {}, {}, 0, **progress)
    return Job(REQUEST, row, None if wanted is None else JobControl("j", wanted, "me", 0))


@pytest.mark.parametrize(
    ("known", "state"),
    [
        (job(), "requested"),
        (job(wanted="pause"), "paused"),
        (job(wanted="cancel"), "requested"),
        (job("running"), "running"),
        (job("running", "pause"), "running"),
        (job("paused", "run"), "paused"),
        (job("done", "cancel"), "done"),
    ],
)
def test_state_is_what_the_replay_program_says_once_it_says_anything(known: Job, state: State) -> None:
    assert known.state == state


@pytest.mark.parametrize(
    ("known", "wanted", "told"),
    [
        (job(), "pause", None),
        (job("running", "pause"), "run", None),
        (job("paused"), "cancel", None),
        (job("done"), "pause", "job j is done: there is nothing to pause"),
        (job("cancelled"), "run", "job j is cancelled: there is nothing to resume"),
        (job("failed"), "cancel", "job j is failed: there is nothing to cancel"),
        (job("running", "cancel"), "run", "job j is being cancelled"),
    ],
)
def test_nothing_can_be_wanted_of_a_job_that_has_ended(known: Job, wanted: Wanted, told: str | None) -> None:
    assert jobs.refusal(known, wanted) == told


@pytest.mark.parametrize(
    ("known", "eta_s"),
    [
        (job(), None),
        (job("paused"), None),
        (job("running", replayed=40), 6.0),
        (job("running", replayed=120), 0.0),
    ],
)
def test_time_left_is_known_while_it_runs(known: Job, eta_s: float | None) -> None:
    assert known.eta_s == eta_s


PROGRESS = ReplayProgress("j", "running", 1, {}, {}, 0)
CONTROL = JobControl("j", "pause", "me", 0)


@given(st.permutations([REQUEST, PROGRESS, CONTROL]))
def test_rows_make_a_job_in_whatever_order_they_come(rows: list[Row]) -> None:
    orphan = ReplayProgress("other", "running", 1, {}, {}, 0)
    assert jobs.join([orphan, *rows]) == {"j": Job(REQUEST, PROGRESS, CONTROL)}


def test_rows_are_read_back_as_they_were_written() -> None:
    progress = ReplayProgress(
        "j",
        "paused",
        9,
        {"0": 5},
        {"0": 2},
        7,
        replayed=1,
        begun_at=3,
        honours=("p",),
        bounds={"attempts": 4},
    )
    control = JobControl("j", "pause", "cli:ann", 8, "lunch")
    assert jobs.progress_from_record(jobs.progress_to_record(progress)) == progress
    assert jobs.control_from_record(jobs.control_to_record(control)) == control
    assert jobs.request_from_record(jobs.request_to_record(REQUEST)) == REQUEST


def test_name_says_what_the_job_is_and_when_it_was_asked_for() -> None:
    assert jobs.new_name("recover", 1_795_255_200_000, b"\x01\x02\x03\x04") == "rcv-20261121-100000-010203"
