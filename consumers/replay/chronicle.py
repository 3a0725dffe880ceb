"""What the audit is told of a job: every change of its state. Pure but for the entry's id."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from tocsin import selection
from tocsin.audit import Entry
from tocsin.jobs import Job, State

_ACTIONS: Final[Mapping[tuple[State, State], str]] = {
    ("requested", "running"): "begun",
    ("paused", "running"): "resumed",
}


def entry(before: Job, after: Job) -> Entry | None:
    """Return the entry about a job's change, or None if its state has not changed.

    A job that is paused before it is begun changes nothing that anybody could see, and has no entry.
    """
    progress = after.progress
    if progress is None or (before.progress is not None and before.state == after.state):
        return None
    was: State = "requested" if before.progress is None else before.state
    said = after.control if _asked_for(after) else None
    return Entry(
        id=uuid.uuid4(),
        at=progress.updated_at,
        actor=said.requested_by if said is not None else after.request.requested_by,
        action=f"{after.request.kind}.{_ACTIONS.get((was, after.state), after.state)}",
        object=after.request.job,
        organization=after.request.selection.organization or "",
        why=(said.why if said is not None else "") or after.request.why,
        before={"state": was},
        after=_told(after),
    )


def _asked_for(job: Job) -> bool:
    """Whether the job's state is what somebody asked for after it was requested."""
    return {"running": "run", "paused": "pause", "cancelled": "cancel"}.get(job.state) == job.wanted


def _told(job: Job) -> dict[str, Any]:
    if job.progress is None:
        return {"state": job.state}
    told: dict[str, Any] = {
        "state": job.state,
        "selection": selection.given(job.request.selection),
        "selected": job.progress.selected,
        "replayed": job.progress.replayed,
    }
    optional = {"target": job.request.target, "error": job.progress.error}
    return told | {name: value for name, value in optional.items() if value is not None}
