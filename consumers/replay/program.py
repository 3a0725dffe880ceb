"""The replay program: sends dead letters that somebody asked for to be delivered again.

    in        tocsin.jobs as a table (who asked for what, how far it has come); tocsin.dlq, by offsets
    out       tocsin.redeliveries; the job's progress to tocsin.jobs
    group     <prefix>.replay, on the one partition of tocsin.jobs: its owner runs the jobs, others stand by
    commit    at once: the group only says who runs jobs, a job's own progress says where

Two threads: the owner of the reader keeps the membership, a worker runs one job at a time. A worker that has to halt
saves how far it came, and the next owner goes on from there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Final

from consumers.replay.job import Halted, Job
from consumers.replay.queue import Row, fault, next_job
from consumers.replay.tenure import Tenure
from tocsin.errors import KafkaUnavailable
from tocsin.jobs import ReplayProgress, ReplayRequest
from tocsin.kafka.codec import Encoder
from tocsin.kafka.reader import Part, Reader
from tocsin.kafka.tables import Table
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop
from tocsin.settings import Settings

_log = logging.getLogger("tocsin.replay")

POLL_S: Final = 0.1
AGAIN_S: Final = 1.0
"""How long a job waits after Kafka did not answer."""


class Replaying:
    """Runs the jobs while this process is the one that may; it is its reader's hooks.

    Args:
        table: Requests and progress.
        encode: Makes the value of a progress.
    """

    reader: Reader

    def __init__(self, settings: Settings, table: Table[Row], writer: Writer, encode: Encoder) -> None:
        self._settings = settings
        self._table = table
        self._writer = writer
        self._encode = encode
        self._tenure: Tenure | None = None
        self._worker: threading.Thread | None = None
        self._failed: BaseException | None = None

    def assigned(self, parts: Sequence[Part]) -> None:
        """The jobs are ours from now on."""
        if parts:
            self._tenure = Tenure(self.reader, self._writer, self._table.topic, self._encode)

    def revoking(self, parts: Sequence[Part], deadline_s: float) -> None:
        """Let the running job save how far it came."""
        if parts:
            self._end(deadline_s)

    def lost(self, parts: Sequence[Part]) -> None:
        """The jobs are somebody else's: write nothing more."""
        if parts:
            self._end(deadline_s=0.0)

    def run(self, stop: Stop) -> None:
        """Run jobs until asked to stop, and let the running one save how far it came.

        Raises:
            KafkaException: A client has failed for good.
        """
        while not stop:
            for record in self.reader.poll(POLL_S):
                self.reader.finish(record)
            self._supervise()
            self._writer.check()
        self._end(stop.deadline)

    def _supervise(self) -> None:
        if self._failed is not None:
            raise self._failed
        if self._worker is not None and self._worker.is_alive():
            return
        tenure = self._tenure
        if tenure is not None and self._knows_what_is_done(tenure):
            found = next_job(self._table.rows())
            if found is not None:
                self._worker = threading.Thread(
                    target=self._work, args=(tenure, *found), name="job", daemon=True
                )
                self._worker.start()

    def _knows_what_is_done(self, tenure: Tenure) -> bool:
        """Whether the table holds what an earlier owner saved last, and what this one did."""
        complete_since_s = time.monotonic() - self._table.age_s()
        return complete_since_s > tenure.since_s and self._table.position > tenure.saved_at

    def _work(self, tenure: Tenure, request: ReplayRequest, checkpoint: ReplayProgress | None) -> None:
        try:
            reason = fault(request)
            if reason is not None:
                tenure.save(_refused(request, reason))
            else:
                Job(request, settings=self._settings, writer=self._writer, host=tenure).run(checkpoint)
        except Halted:
            _log.info("job %s halts", request.job)
        except KafkaUnavailable as error:
            _log.warning("job %s waits: %s", request.job, error)
            tenure.sleep(AGAIN_S)
        except BaseException as error:
            self._failed = error

    def _end(self, deadline_s: float) -> None:
        """End the tenure: the running job may save how far it came until the deadline, and nothing after."""
        tenure, self._tenure = self._tenure, None
        if tenure is not None:
            tenure.halt()
            if self._worker is not None:
                self._worker.join(max(0.0, deadline_s - time.monotonic()))
            tenure.lose()


def _refused(request: ReplayRequest, reason: str) -> ReplayProgress:
    return ReplayProgress(
        job=request.job,
        state="failed",
        selected=0,
        end_offsets={},
        next_offsets={},
        updated_at=int(time.time() * 1000),
        error=reason,
    )
