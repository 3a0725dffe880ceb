"""One job, from its request to its end, and again from its last checkpoint after a crash.

What a job means is settled before it begins, each delivery once, however often it lies there. So letters that fail
again and come back are not met.

A checkpoint says how far the job has come; everything before it is acknowledged. What was written since stands in
the redeliveries topic under the job's name: a resumed job reads that first, and does not write it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from consumers.replay import course as courses
from consumers.replay.course import Course
from consumers.replay.pace import Pace
from consumers.replay.source import Found, Settled, Source
from tocsin import deliveries, failpoints
from tocsin.jobs import ReplayProgress, ReplayRequest, State, Wanted
from tocsin.kafka import snapshot
from tocsin.kafka.reader import headers_of
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.settings import Settings

_log = logging.getLogger("tocsin.replay")

CHECKPOINT_EVERY: Final = 200
CHECKPOINT_EVERY_S: Final = 1.0

_HALTED: Final[Mapping[Wanted, State]] = {"run": "running", "pause": "paused", "cancel": "cancelled"}


class Halted(Exception):
    """The job goes on elsewhere or later, or not at all."""


class Host(Protocol):
    """What a job needs of the process it runs in."""

    def may_go_on(self) -> bool:
        """Whether something new may be started: nobody asked for a stop or a pause, and the job is ours."""

    def may_write(self) -> bool:
        """Whether the job is still ours, so that what was started may be ended."""

    def wanted(self) -> Wanted:
        """What is wanted of the job."""

    def sleep(self, seconds: float) -> None:
        """Sleep, but not past the moment when the job may not go on."""

    def save(self, progress: ReplayProgress) -> None:
        """Return once a progress is written and acknowledged; Halted if it may not be written any longer."""


class Job:
    """A job that runs in this process.

    Args:
        request: What was asked for.
        source: Where it looks.
        writer: Used by nobody else while the job runs.
        host: The process it runs in.
    """

    def __init__(
        self, request: ReplayRequest, source: Source, *, settings: Settings, writer: Writer, host: Host
    ) -> None:
        self._request = request
        self._source = source
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._writer = writer
        self._host = host
        self._unwritable: str | None = None

    def run(self, checkpoint: ReplayProgress | None) -> None:
        """Do the job to the end.

        Args:
            checkpoint: Its last checkpoint; None if it was never begun.

        Raises:
            Halted: It may not go on here. How far it came is saved, if that may be written.
            Refused: It cannot be run.
            KafkaUnavailable: No answer; run it again from its last checkpoint.
        """
        course = self._begin() if checkpoint is None else self._resume(checkpoint)
        try:
            self._pursue(course)
        except _Unwritable as error:
            _log.error("job %s has failed: %s", self._request.job, error)
            self._save(course, "failed", str(error))
        else:
            _log.info("job %s: %d of %d replayed", self._request.job, course.replayed, course.selected)

    def _pursue(self, course: Course) -> None:
        try:
            if self._request.kind != "purge":
                self._replay(course)
            self._save(course, "done")
        except Halted:
            self._save(course, _HALTED[self._host.wanted()])
            raise

    def _begin(self) -> Course:
        begun_at = _now_ms()
        settled = self._source.settle()
        self._source.open(settled, self._check)
        selected = len(self._meant(settled, settled.end))
        written_to = snapshot.ends(self._settings, self._topics.redeliveries)
        course = Course(selected, settled, next={}, written_to=written_to, begun_at=begun_at)
        self._save(course, "running")
        _log.info("job %s: %d deliveries selected", self._request.job, selected)
        return course

    def _resume(self, checkpoint: ReplayProgress) -> Course:
        course = courses.resumed(checkpoint)
        self._source.open(course.settled, self._check)
        course.met = self._meant(course.settled, course.next)
        course.written_from = dict(course.written_to)
        course.stray = self._written_since(course.written_from) - course.met
        _log.info("job %s: resumed after %d of %d", self._request.job, course.replayed, course.selected)
        if checkpoint.state != "running":
            self._save(course, "running")
        return course

    def _meant(self, settled: Settled, end: Mapping[int, int]) -> set[str]:
        found = self._found(settled, {}, end)
        return {each.delivery_id for each in found if each.delivery_id is not None}

    def _found(self, settled: Settled, start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[Found]:
        for found in self._source.find(settled, start, end, self._check):
            self._check()
            yield found

    def _written_since(self, start: Mapping[int, int]) -> set[str]:
        topic = self._topics.redeliveries
        ends = snapshot.ends(self._settings, topic)
        written = set()
        for message in snapshot.read(self._settings, topic, ends, start=start, idle=self._check):
            headers = headers_of(message)
            if deliveries.first_value(headers, "tocsin_run") == self._request.job:
                written.add(deliveries.first_value(headers, "tocsin_delivery_id") or "")
        return written

    def _replay(self, course: Course) -> None:
        pace = Pace(self._request.rate_per_s, time.monotonic())
        saved_at, saved = time.monotonic(), course.replayed
        for found in self._found(course.settled, dict(course.next), course.settled.end):
            if (
                found.make is not None
                and found.delivery_id is not None
                and found.delivery_id not in course.met
            ):
                self._take(course, found.delivery_id, found.make, pace)
                failpoints.hit("replay.half_way")
            course.next[found.partition] = found.offset + 1
            course.read += 1
            now = time.monotonic()
            if course.replayed - saved >= CHECKPOINT_EVERY or now - saved_at >= CHECKPOINT_EVERY_S:
                self._save(course, "running")
                saved_at, saved = now, course.replayed

    def _take(self, course: Course, delivery_id: str, make: Callable[[], Outgoing], pace: Pace) -> None:
        if delivery_id not in course.stray:
            self._host.sleep(pace.take(time.monotonic()))
            self._check()
            self._write(course, delivery_id, make())
        course.stray.discard(delivery_id)
        course.met.add(delivery_id)
        course.replayed += 1

    def _write(self, course: Course, delivery_id: str, record: Outgoing) -> None:
        def written(outcome: Written) -> None:
            if outcome.error is not None:
                self._unwritable = f"delivery {delivery_id}: {outcome.error}"
            else:
                before = course.written_to.get(outcome.partition, 0)
                course.written_to[outcome.partition] = max(before, outcome.offset + 1)

        self._writer.write(record, written, wanted=self._host.may_write)

    def _save(self, course: Course, state: State, error: str | None = None) -> None:
        """Checkpoint: wait for every write, then say how far that is."""
        self._settle()
        if self._unwritable is not None and state != "failed":
            raise _Unwritable(self._unwritable)
        self._host.save(courses.checkpoint(self._request.job, course, state, _now_ms(), error))

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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
