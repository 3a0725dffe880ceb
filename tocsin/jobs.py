"""Jobs: what somebody asked to be done with deliveries, whether they still want it, and how far it has come.

A job is up to three rows of `tocsin.jobs`, each with one writer, so that nobody overwrites what another one said:
`<job>/request`, written once by the asker; `<job>/control`, by whoever pauses, resumes or cancels it, the last counts;
`<job>/progress`, by the replay program alone.

    requested ──▶ running ──▶ done
        │          │  ▲  └──▶ failed
        │          ▼  │
        │         paused
        └──────────┴─────────▶ cancelled

The replay program alone moves a job from state to state; the others only say what they want.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tocsin.selection import Selection

Kind = Literal["replay", "recover", "purge"]
"""`replay` sends dead letters again, `recover` what an endpoint missed, `purge` strikes dead letters off the lists."""

Wanted = Literal["run", "pause", "cancel"]
State = Literal["requested", "running", "paused", "done", "cancelled", "failed"]
ENDED: Final[frozenset[State]] = frozenset({"done", "cancelled", "failed"})
"""States that nothing leads out of."""

DEFAULT_RATE_PER_S: Final = 100.0


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A job somebody asked for.

    Attributes:
        job: Its name; becomes the run of every delivery it sets going.
        requested_at: Milliseconds since the epoch.
        rate_per_s: Deliveries set going a second.
        target: Another subscription of the same organization that gets them as tests; None, each its own.
        end_offsets: Partition of the dead-letter topic, by name, to the offset before which it is meant, the others not at
            all; empty, all that there is when the job begins.
    """

    job: str
    requested_by: str
    requested_at: int
    selection: Selection
    why: str = ""
    rate_per_s: float = DEFAULT_RATE_PER_S
    kind: Kind = "replay"
    target: str | None = None
    end_offsets: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobControl:
    """What is wanted of a job that was asked for: that it runs, waits, or ends."""

    job: str
    wanted: Wanted
    requested_by: str
    requested_at: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far a job has come; the fields are those of `schemas/pipeline/replay_progress.avsc`."""

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
    begun_at: int | None = None
    honours: tuple[str, ...] = ()
    bounds: Mapping[str, int] = field(default_factory=dict)


Row = ReplayRequest | JobControl | ReplayProgress


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its rows tell of it."""

    request: ReplayRequest
    progress: ReplayProgress | None = None
    control: JobControl | None = None

    @property
    def state(self) -> State:
        """Where it stands; one that waits to be begun is paused if that is wanted."""
        if self.progress is not None:
            return self.progress.state
        return "paused" if self.wanted == "pause" else "requested"

    @property
    def wanted(self) -> Wanted:
        """What is wanted of it."""
        return "run" if self.control is None else self.control.wanted

    @property
    def eta_s(self) -> float | None:
        """Seconds until it is done at its rate, at the least; None while it does not run."""
        if self.progress is None or self.progress.state != "running" or self.request.rate_per_s <= 0:
            return None
        return max(self.progress.selected - self.progress.replayed, 0) / self.request.rate_per_s


def join(rows: Iterable[Row]) -> dict[str, Job]:
    """Return jobs by their names, the one asked for first in front; rows of no request are left out."""
    known = list(rows)
    requests = [row for row in known if isinstance(row, ReplayRequest)]
    progress = {row.job: row for row in known if isinstance(row, ReplayProgress)}
    control = {row.job: row for row in known if isinstance(row, JobControl)}
    requests.sort(key=lambda request: (request.requested_at, request.job))
    return {row.job: Job(row, progress.get(row.job), control.get(row.job)) for row in requests}


def refusal(job: Job, wanted: Wanted) -> str | None:
    """Return why something can be wanted of a job no longer, or None."""
    if job.state in ENDED:
        return f"job {job.request.job} is {job.state}: there is nothing to {_VERBS[wanted]}"
    if job.wanted == "cancel":
        return f"job {job.request.job} is being cancelled"
    return None


_VERBS: Final[Mapping[Wanted, str]] = {"run": "resume", "pause": "pause", "cancel": "cancel"}


def new_name(kind: Kind, now_ms: int, random: bytes) -> str:
    """Return a new job's name: what it is, when it was asked for, and six digits of chance."""
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_ms / 1000))
    return f"{PREFIXES[kind]}-{moment}-{random.hex()[:6]}"


PREFIXES: Final[Mapping[Kind, str]] = {"replay": "rpl", "recover": "rcv", "purge": "prg"}
"""Kind to what a job's name begins with."""


def request_key(job: str) -> str:
    """Return the key of a job's request."""
    return f"{job}/request"


def control_key(job: str) -> str:
    """Return the key of what is wanted of a job."""
    return f"{job}/control"


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


def control_to_record(control: JobControl) -> dict[str, Any]:
    """Return the Avro record of what is wanted of a job."""
    return {name: getattr(control, name) for name in JobControl.__slots__}


def control_from_record(record: Mapping[str, Any]) -> JobControl:
    """Return what an Avro record says is wanted of a job."""
    return JobControl(**{name: record[name] for name in JobControl.__slots__})


def progress_to_record(progress: ReplayProgress) -> dict[str, Any]:
    """Return the Avro record of a progress."""
    fields = {name: getattr(progress, name) for name in ReplayProgress.__slots__}
    return fields | {"honours": list(progress.honours)}


def progress_from_record(record: Mapping[str, Any]) -> ReplayProgress:
    """Return the progress that an Avro record holds."""
    fields = {name: record[name] for name in ReplayProgress.__slots__}
    return ReplayProgress(**fields | {"honours": tuple(record["honours"])})
