"""How far a job has come, between two checkpoints. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumers.replay.source import Settled
from tocsin.jobs import ReplayProgress, State
from tocsin.purges import offsets


@dataclass(slots=True)
class Course:
    """How far a job has come, ahead of its checkpoint.

    Attributes:
        settled: What was fixed before it began.
        next: Partition to the first offset not yet looked at.
        written_to: Partition of the redeliveries topic to the offset after the job's last write there.
        met: The deliveries that are replayed.
        written_from: Partition of the redeliveries topic to where the search for strays began.
        stray: Deliveries written after the checkpoint that the job was resumed from, and not met since.
    """

    selected: int
    settled: Settled
    next: dict[int, int]
    written_to: dict[int, int]
    begun_at: int
    read: int = 0
    replayed: int = 0
    met: set[str] = field(default_factory=set)
    written_from: dict[int, int] = field(default_factory=dict)
    stray: set[str] = field(default_factory=set)

    def search_from(self) -> dict[int, int]:
        """Return from where a job that is resumed here looks for what it wrote since: never behind a stray."""
        return self.written_from if self.stray else self.written_to


def resumed(checkpoint: ReplayProgress) -> Course:
    """Return the course of a job at its last checkpoint; what it met and wrote since is still to be found out."""
    return Course(
        selected=checkpoint.selected,
        settled=settled(checkpoint),
        next=offsets(checkpoint.next_offsets),
        written_to=offsets(checkpoint.written_from),
        begun_at=checkpoint.begun_at or checkpoint.updated_at,
        read=checkpoint.read,
        replayed=checkpoint.replayed,
    )


def settled(checkpoint: ReplayProgress) -> Settled:
    """Return what was fixed before a job began."""
    return Settled(offsets(checkpoint.end_offsets), checkpoint.honours, checkpoint.bounds)


def checkpoint(
    job: str, course: Course, state: State, now_ms: int, error: str | None = None
) -> ReplayProgress:
    """Return a course as it is saved."""
    return ReplayProgress(
        job=job,
        state=state,
        selected=course.selected,
        replayed=course.replayed,
        read=course.read,
        end_offsets=_by_name(course.settled.end),
        next_offsets=_by_name(course.next),
        written_from=_by_name(course.search_from()),
        error=error,
        begun_at=course.begun_at,
        honours=course.settled.honours,
        bounds=course.settled.bounds,
        updated_at=now_ms,
    )


def _by_name(by_partition: Mapping[int, int]) -> dict[str, int]:
    return {str(partition): offset for partition, offset in by_partition.items()}
