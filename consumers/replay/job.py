"""One replay, from its request to its end, and again from its last checkpoint after a crash.

What a job replays is settled before it begins: the dead letters up to the end offsets found then, each delivery
once, however often it lies there. So letters that fail again and come back are not met.

A checkpoint says how far the job has come; everything before it is acknowledged. What was written since stands in
the redeliveries topic under the job's name: a resumed job reads that first, and does not write it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from consumers.replay.pace import Pace
from tocsin import deadletters, deliveries, events, failpoints
from tocsin.deadletters import DeadLetter
from tocsin.deliveries import Progress
from tocsin.jobs import ReplayProgress, ReplayRequest, State
from tocsin.kafka import snapshot
from tocsin.kafka.codec import Headers
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.selection import matches
from tocsin.settings import Settings

_log = logging.getLogger("tocsin.replay")

CHECKPOINT_EVERY: Final = 200
CHECKPOINT_EVERY_S: Final = 1.0


class Halted(Exception):
    """The job goes on elsewhere or later."""


class Host(Protocol):
    """What a job needs of the process it runs in."""

    def may_go_on(self) -> bool:
        """Whether something new may be started: nobody asked for a stop, and the job is ours."""

    def may_write(self) -> bool:
        """Whether the job is still ours, so that what was started may be ended."""

    def sleep(self, seconds: float) -> None:
        """Sleep, but not past the moment when the job may not go on."""

    def save(self, progress: ReplayProgress) -> None:
        """Return once a progress is written and acknowledged; Halted if it may not be written any longer."""


@dataclass(slots=True)
class Course:
    """How far a job has come, ahead of its checkpoint.

    Attributes:
        end: Partition of the dead-letter topic to the offset where the job ends.
        next: Partition to the first offset not yet looked at.
        written_to: Partition of the redeliveries topic to the offset after the job's last write there.
        met: The deliveries that are replayed.
        written_from: Partition of the redeliveries topic to where the search for strays began.
        stray: Deliveries written after the checkpoint that the job was resumed from, and not met since.
    """

    selected: int
    end: dict[int, int]
    next: dict[int, int]
    written_to: dict[int, int]
    read: int = 0
    replayed: int = 0
    met: set[str] = field(default_factory=set)
    written_from: dict[int, int] = field(default_factory=dict)
    stray: set[str] = field(default_factory=set)

    def search_from(self) -> dict[int, int]:
        """Return from where a job that is resumed here looks for what it wrote since: never behind a stray."""
        return self.written_from if self.stray else self.written_to


class Job:
    """A replay that runs in this process.

    Args:
        request: What was asked for.
        writer: Used by nobody else while the job runs.
        host: The process it runs in.
    """

    def __init__(self, request: ReplayRequest, *, settings: Settings, writer: Writer, host: Host) -> None:
        self._request = request
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._writer = writer
        self._host = host
        self._unwritable: str | None = None

    def run(self, checkpoint: ReplayProgress | None) -> None:
        """Replay to the end.

        Args:
            checkpoint: Its last checkpoint; None if it was never begun.

        Raises:
            Halted: It may not go on here. How far it came is saved, if that may be written.
            KafkaUnavailable: No answer; run it again from its last checkpoint.
        """
        course = self._begin() if checkpoint is None else self._resume(checkpoint)
        try:
            self._replay(course)
            self._save(course, "done")
        except Halted:
            self._save(course, "running")
            raise
        except _Unwritable as error:
            _log.error("job %s has failed: %s", self._request.job, error)
            self._save(course, "failed", str(error))
        else:
            _log.info("job %s: %d of %d replayed", self._request.job, course.replayed, course.selected)

    def _begin(self) -> Course:
        end = deadletters.end_offsets(self._settings)
        selected = len({letter.delivery_id for letter in self._selected(end)})
        written_to = snapshot.ends(self._settings, self._topics.redeliveries)
        course = Course(selected, end, next={}, written_to=written_to)
        self._save(course, "running")
        _log.info("job %s: %d dead letters selected", self._request.job, selected)
        return course

    def _resume(self, checkpoint: ReplayProgress) -> Course:
        self._settle()  # an earlier try in this process may still be writing
        course = Course(
            selected=checkpoint.selected,
            end=_by_partition(checkpoint.end_offsets),
            next=_by_partition(checkpoint.next_offsets),
            written_to=_by_partition(checkpoint.written_from),
            read=checkpoint.read,
            replayed=checkpoint.replayed,
        )
        course.met = {letter.delivery_id for letter in self._selected(course.next)}
        course.written_from = dict(course.written_to)
        course.stray = self._written_since(course.written_from) - course.met
        _log.info("job %s: resumed after %d of %d", self._request.job, course.replayed, course.selected)
        return course

    def _selected(self, end: Mapping[int, int]) -> Iterator[DeadLetter]:
        for letter in self._letters(end, {}):
            if matches(self._request.selection, letter):
                yield letter

    def _letters(self, end: Mapping[int, int], start: Mapping[int, int]) -> Iterator[DeadLetter]:
        for letter in deadletters.scan(
            self._settings, end_offsets=end, start_offsets=start, idle=self._check
        ):
            self._check()
            yield letter

    def _written_since(self, start: Mapping[int, int]) -> set[str]:
        topic = self._topics.redeliveries
        ends = snapshot.ends(self._settings, topic)
        written = set()
        for message in snapshot.read(self._settings, topic, ends, start=start, idle=self._check):
            headers = cast(Headers, message.headers() or [])
            if deliveries.first_value(headers, "tocsin_run") == self._request.job:
                written.add(deliveries.first_value(headers, "tocsin_delivery_id") or "")
        return written

    def _replay(self, course: Course) -> None:
        pace = Pace(self._request.rate_per_s, time.monotonic())
        saved_at, saved = time.monotonic(), course.replayed
        for letter in self._letters(course.end, dict(course.next)):
            if matches(self._request.selection, letter) and letter.delivery_id not in course.met:
                self._take(course, letter, pace)
                failpoints.hit("replay.half_way")
            course.next[letter.partition] = letter.offset + 1
            course.read += 1
            now = time.monotonic()
            if course.replayed - saved >= CHECKPOINT_EVERY or now - saved_at >= CHECKPOINT_EVERY_S:
                self._save(course, "running")
                saved_at, saved = now, course.replayed

    def _take(self, course: Course, letter: DeadLetter, pace: Pace) -> None:
        if letter.delivery_id not in course.stray:
            self._host.sleep(pace.take(time.monotonic()))
            self._check()
            self._write(course, letter)
        course.stray.discard(letter.delivery_id)
        course.met.add(letter.delivery_id)
        course.replayed += 1

    def _write(self, course: Course, letter: DeadLetter) -> None:
        def written(outcome: Written) -> None:
            if outcome.error is not None:
                self._unwritable = f"delivery {letter.delivery_id}: {outcome.error}"
            else:
                before = course.written_to.get(outcome.partition, 0)
                course.written_to[outcome.partition] = max(before, outcome.offset + 1)

        headers = [
            *events.carried(letter.headers),
            ("tocsin_delivery_id", letter.delivery_id.encode()),
            *deliveries.progress_headers(Progress(run=self._request.job, test=letter.progress.test)),
        ]
        outgoing = Outgoing(self._topics.redeliveries, letter.subscription_id.encode(), letter.value, headers)
        self._writer.write(outgoing, written, wanted=self._host.may_write)

    def _save(self, course: Course, state: State, error: str | None = None) -> None:
        """Checkpoint: wait for every write, then say how far that is."""
        self._settle()
        if self._unwritable is not None and state != "failed":
            raise _Unwritable(self._unwritable)
        self._host.save(
            ReplayProgress(
                job=self._request.job,
                state=state,
                selected=course.selected,
                replayed=course.replayed,
                read=course.read,
                end_offsets=_by_name(course.end),
                next_offsets=_by_name(course.next),
                written_from=_by_name(course.search_from()),
                error=error,
                updated_at=int(time.time() * 1000),
            )
        )

    def _settle(self) -> None:
        while not self._writer.flush(0.1):
            self._writer.check()
            if not self._host.may_write():
                raise Halted

    def _check(self) -> None:
        if not self._host.may_go_on():
            raise Halted


class _Unwritable(Exception):
    """The broker refuses a delivery for good."""


def _by_partition(offsets: Mapping[str, int]) -> dict[int, int]:
    return {int(partition): offset for partition, offset in offsets.items()}


def _by_name(offsets: Mapping[int, int]) -> dict[str, int]:
    return {str(partition): offset for partition, offset in offsets.items()}
