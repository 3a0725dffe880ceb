"""One assignment of the jobs to this process: what a job may do while it lasts, and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from consumers.replay.chronicle import entry
from consumers.replay.job import Halted
from tocsin.jobs import Job, JobControl, ReplayProgress, Wanted
from tocsin.kafka.jobrows import JobRows
from tocsin.kafka.reader import Reader
from tocsin.kafka.trail import Trail
from tocsin.kafka.writer import Outgoing, Writer, Written

_LOOK_EVERY_S: Final = 0.1


class Tenure:
    """What the jobs that run under one assignment share. A later assignment is another one, so that a job that is
    slow to notice that it was taken away never goes on under it.

    Attributes:
        saved_at: Job to the offset of its last progress in the jobs topic.
    """

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self.since_s = time.monotonic()
        self.saved_at: dict[str, int] = {}
        self._reader = reader
        self._writer = writer
        self._halted = threading.Event()
        self._lost = False

    def halt(self) -> None:
        """Let nothing new be started."""
        self._halted.set()

    def lose(self) -> None:
        """Let nothing more be written: somebody else goes on."""
        self._lost = True
        self._halted.set()

    def may_go_on(self) -> bool:
        """Whether something new may be started."""
        return not self._halted.is_set() and self.may_write()

    def may_write(self) -> bool:
        """Whether what was started may be ended."""
        return not self._lost and self._reader.alive()

    def sleep(self, seconds: float) -> None:
        """Sleep, but not past a halt."""
        self._halted.wait(seconds)

    def write(self, record: Outgoing) -> int:
        """Return the offset of a record once it is acknowledged.

        Raises:
            Halted: It may not be written any longer.
        """
        acknowledged = threading.Event()
        offsets = []

        def written(outcome: Written) -> None:
            if outcome.error is not None:
                raise RuntimeError(f"{record.topic} refuses what a job has to say: {outcome.error}")
            offsets.append(outcome.offset)
            acknowledged.set()

        self._writer.write(record, written, wanted=self.may_write)
        while not acknowledged.wait(_LOOK_EVERY_S):
            self._writer.check()
            if not self.may_write():
                raise Halted
        return offsets[0]


class Seat:
    """The host of one job under a tenure.

    Args:
        job: The job as it stood when it was taken up.
        control: What the jobs topic says now is wanted of it; None if nobody ever said.
        rows: Makes its progress.
        trail: Makes what the audit is told: every change of its state, before anybody can see it.

    Attributes:
        job: The job, with the progress that was saved last.
    """

    def __init__(
        self,
        tenure: Tenure,
        job: Job,
        control: Callable[[], JobControl | None],
        rows: JobRows,
        trail: Trail,
    ) -> None:
        self._tenure = tenure
        self.job = job
        self._control = control
        self._rows = rows
        self._trail = trail

    def wanted(self) -> Wanted:
        """What is wanted of the job."""
        control = self._control()
        return "run" if control is None else control.wanted

    def may_go_on(self) -> bool:
        """Whether something new may be started."""
        return self._tenure.may_go_on() and self.wanted() == "run"

    def may_write(self) -> bool:
        """Whether what was started may be ended."""
        return self._tenure.may_write()

    def sleep(self, seconds: float) -> None:
        """Sleep, but not past the moment when the job may not go on."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0 and self.may_go_on():
            self._tenure.sleep(min(left_s, _LOOK_EVERY_S))

    def save(self, progress: ReplayProgress) -> None:
        """Return once a progress is written and acknowledged.

        Raises:
            Halted: It may not be written any longer.
        """
        now = Job(self.job.request, progress, self._control())
        told = entry(self.job, now)
        if told is not None:
            self._tenure.write(self._trail.record(told))
        self._tenure.saved_at[progress.job] = self._tenure.write(self._rows.progress(progress))
        self.job = now
