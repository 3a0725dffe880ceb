"""One assignment of the jobs to this process: what a job may do while it lasts, and no longer."""

from __future__ import annotations

import threading
import time
from typing import Final

from consumers.replay.job import Halted
from tocsin import jobs
from tocsin.jobs import ReplayProgress
from tocsin.kafka.codec import Encoder
from tocsin.kafka.reader import Reader
from tocsin.kafka.writer import Outgoing, Writer, Written

_LOOK_EVERY_S: Final = 0.1


class Tenure:
    """The host of the jobs that run under one assignment. A later assignment is another one, so that a job that is
    slow to notice that it was taken away never goes on under it.

    Args:
        topic: Name of the jobs topic.
        encode: Makes the value of a progress.
    """

    def __init__(self, reader: Reader, writer: Writer, topic: str, encode: Encoder) -> None:
        self.since_s = time.monotonic()
        self.saved_at = -1
        self._reader = reader
        self._writer = writer
        self._topic = topic
        self._encode = encode
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
        if seconds > 0:
            self._halted.wait(seconds)

    def save(self, progress: ReplayProgress) -> None:
        """Return once a progress is written and acknowledged.

        Raises:
            Halted: It may not be written any longer.
        """
        acknowledged = threading.Event()

        def written(outcome: Written) -> None:
            if outcome.error is not None:
                raise RuntimeError(f"the progress of job {progress.job} cannot be written: {outcome.error}")
            self.saved_at = outcome.offset
            acknowledged.set()

        key = jobs.progress_key(progress.job).encode()
        value = self._encode(jobs.progress_to_record(progress))
        self._writer.write(Outgoing(self._topic, key, value), written, wanted=self.may_write)
        while not acknowledged.wait(_LOOK_EVERY_S):
            self._writer.check()
            if not self.may_write():
                raise Halted
