"""Replay jobs: what somebody asked for, and how far the replay program has come.

A job is two rows of `tocsin.jobs`: `<job>/request`, written once by the asker, and `<job>/progress`, written by the
replay program alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tocsin.selection import Selection

State = Literal["running", "done", "failed"]
DEFAULT_RATE_PER_S: Final = 100.0


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A replay somebody asked for."""

    job: str
    requested_by: str
    requested_at: int
    selection: Selection
    why: str = ""
    rate_per_s: float = DEFAULT_RATE_PER_S


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far a replay has come; the fields are those of `schemas/pipeline/replay_progress.avsc`."""

    job: str
    state: State
    selected: int
    end_offsets: Mapping[str, int]
    next_offsets: Mapping[str, int]
    updated_at: int
    replayed: int = 0
    read: int = 0
    written_from: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None


def request_key(job: str) -> str:
    """Return the key of a job's request."""
    return f"{job}/request"


def progress_key(job: str) -> str:
    """Return the key of a job's progress."""
    return f"{job}/progress"


def request_to_record(request: ReplayRequest) -> dict[str, Any]:
    """Return the Avro record of a request."""
    selection = {name: getattr(request.selection, name) for name in Selection.__slots__}
    own = {name: getattr(request, name) for name in ReplayRequest.__slots__ if name != "selection"}
    return own | selection


def request_from_record(record: Mapping[str, Any]) -> ReplayRequest:
    """Return the request that an Avro record holds."""
    own = {name: record[name] for name in ReplayRequest.__slots__ if name != "selection"}
    return ReplayRequest(**own, selection=Selection(**{name: record[name] for name in Selection.__slots__}))


def progress_to_record(progress: ReplayProgress) -> dict[str, Any]:
    """Return the Avro record of a progress."""
    return {name: getattr(progress, name) for name in ReplayProgress.__slots__}


def progress_from_record(record: Mapping[str, Any]) -> ReplayProgress:
    """Return the progress that an Avro record holds."""
    return ReplayProgress(**{name: record[name] for name in ReplayProgress.__slots__})
