"""The audit is told of every change of a job's state, and of nothing else."""

from __future__ import annotations

import pytest

from consumers.replay.chronicle import entry
from tocsin.jobs import Job, JobControl, ReplayProgress, ReplayRequest, State, Wanted
from tocsin.selection import Selection

REQUEST = ReplayRequest("j", "cli:ann", 5, Selection(organization="acme", reason="gone"), why="moved")


def job(state: State | None, wanted: Wanted | None = None) -> Job:
    progress = None if state is None else ReplayProgress("j", state, 9, {}, {}, 77, replayed=4)
    control = None if wanted is None else JobControl("j", wanted, "key:bob", 6, "lunch")
    return Job(REQUEST, progress, control)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (job(None), job("running"), ("replay.begun", "cli:ann", "moved")),
        (job("running"), job("done"), ("replay.done", "cli:ann", "moved")),
        (job("running"), job("failed"), ("replay.failed", "cli:ann", "moved")),
        (job("running"), job("paused", "pause"), ("replay.paused", "key:bob", "lunch")),
        (job("paused"), job("running", "run"), ("replay.resumed", "key:bob", "lunch")),
        (job("paused"), job("cancelled", "cancel"), ("replay.cancelled", "key:bob", "lunch")),
        (job(None), job("cancelled", "cancel"), ("replay.cancelled", "key:bob", "lunch")),
    ],
)
def test_change_is_told_with_whoever_asked_for_it(
    before: Job, after: Job, told: tuple[str, str, str]
) -> None:
    made = entry(before, after)
    assert made is not None
    assert (made.action, made.actor, made.why) == told
    assert (made.object, made.organization, made.at) == ("j", "acme", 77)
    assert made.before == {"state": before.state}
    assert made.after["selection"] == {"organization": "acme", "reason": "gone"}
    assert (made.after["selected"], made.after["replayed"]) == (9, 4)


def test_checkpoint_is_not_told() -> None:
    assert entry(job("running"), job("running")) is None
