"""Purges: dead letters that are struck off every list, count and replay.

Kafka deletes old segments, never single records. So a purge deletes nothing: it is a rule, what its selection meant
up to the offsets where the dead-letter topic ended when it was done. A letter never changes, so the rule means the same
ones for ever, however many they are; the bytes go when the topic's retention takes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tocsin.deadletters import DeadLetter
from tocsin.jobs import Job
from tocsin.selection import Selection, matches


@dataclass(frozen=True, slots=True)
class Purge:
    """A purge that is done.

    Attributes:
        job: Its job.
        selection: What it struck off.
        end_offsets: Partition of the dead-letter topic to the offset before which it did.
        at: When these were fixed, milliseconds since the epoch: for those who know times, and no offsets.
    """

    job: str
    selection: Selection
    end_offsets: Mapping[int, int]
    at: int = 0


def done(jobs: Iterable[Job]) -> list[Purge]:
    """Return the purges among jobs that are done."""
    return [
        Purge(
            job.request.job,
            job.request.selection,
            offsets(job.progress.end_offsets),
            job.progress.begun_at or job.progress.updated_at,
        )
        for job in jobs
        if job.request.kind == "purge" and job.progress is not None and job.progress.state == "done"
    ]


def purged(letter: DeadLetter, purges: Collection[Purge]) -> bool:
    """Return whether any purge has struck a dead letter off."""
    return any(
        letter.offset < purge.end_offsets.get(letter.partition, 0) and matches(purge.selection, letter)
        for purge in purges
    )


def offsets(by_name: Mapping[str, int]) -> dict[int, int]:
    """Return offsets by partition, as a job's progress stores them by the partition's name."""
    return {int(partition): offset for partition, offset in by_name.items()}
