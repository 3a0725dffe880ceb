"""The replay program: does the jobs that somebody asked for: replays, recoveries, purges.

    in        tocsin.jobs as a table (who asked for what, whether they still want it, how far it has come);
              tocsin.dlq, or the events, deliveries and attempts of one subscription, by offsets
    out       tocsin.redeliveries; a job's progress to tocsin.jobs, every change of its state to tocsin.audit
    group     <prefix>.replay, on the one partition of tocsin.jobs: its owner runs the jobs, others stand by
    commit    at once: the group only says who runs jobs, a job's own progress says where

The owner of the reader keeps the membership, a worker for each job runs it: a slow one holds up no other. A worker that
has to halt saves how far it came, and the next owner goes on from there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from confluent_kafka import KafkaException

from consumers.replay.job import Halted, Job
from consumers.replay.queue import fault, next_jobs
from consumers.replay.source import Refused
from consumers.replay.sources import Sources
from consumers.replay.tenure import Seat, Tenure
from tocsin import jobs
from tocsin.errors import KafkaUnavailable, RegistryUnavailable
from tocsin.jobs import JobControl, ReplayProgress, Row, State
from tocsin.kafka.jobrows import JobRows
from tocsin.kafka.reader import Part, Reader
from tocsin.kafka.tables import Table
from tocsin.kafka.trail import Trail
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop
from tocsin.settings import Settings
from tocsin.telemetry import metrics
from tocsin.telemetry.program import Telemetry
from tocsin.telemetry.pulse import Pulse

_log = logging.getLogger("tocsin.replay")

POLL_S: Final = 0.1
AGAIN_S: Final = 1.0
"""How long a job waits after Kafka or the registry did not answer."""
LINGER_MS: Final = 20.0
"""How long a replayed delivery may wait for others of its partition: the broker counts requests, not records."""
AT_ONCE: Final = 4
"""Jobs that run at the same time; each reads the dead-letter topic on its own."""


class Replaying:
    """Runs the jobs while this process is the one that may; it is its reader's hooks.

    Args:
        table: What was asked for, what is wanted of it, how far it has come.
        writer: Writes what is said of jobs; each job has one of its own for what it sets going.
        rows: Makes the progress of a job.
        trail: Makes what the audit is told.
        sources: Opens what a job works through.
    """

    reader: Reader
    _pulse: Pulse

    def __init__(
        self,
        settings: Settings,
        table: Table[Row],
        writer: Writer,
        *,
        rows: JobRows,
        trail: Trail,
        sources: Sources,
    ) -> None:
        self._settings = settings
        self._table = table
        self._writer = writer
        self._rows = rows
        self._trail = trail
        self._sources = sources
        self._tenure: Tenure | None = None
        self._workers: dict[str, threading.Thread] = {}
        self._failed: BaseException | None = None

    def watch(self, reader: Reader, telemetry: Telemetry) -> None:
        """Begin: read with `reader`, and be ready only while progress is made."""
        self.reader = reader
        self._pulse = telemetry.pulse
        telemetry.watch_writes(self._writer)
        telemetry.watch_reads(reader)
        telemetry.watch_tables(self._table.age_s)
        telemetry.gauge(metrics.JOBS_RUNNING, lambda: len(self._workers))
        telemetry.start()

    def assigned(self, parts: Sequence[Part]) -> None:
        """The jobs are ours from now on."""
        if parts:
            self._tenure = Tenure(self.reader, self._writer)

    def revoking(self, parts: Sequence[Part], deadline_s: float) -> None:
        """Let the running jobs save how far they came."""
        if parts:
            self._end(deadline_s)

    def lost(self, parts: Sequence[Part]) -> None:
        """The jobs are somebody else's: write nothing more."""
        if parts:
            self._end(deadline_s=0.0)

    def run(self, stop: Stop) -> None:
        """Run jobs until asked to stop, and let the running ones save how far they came.

        Raises:
            KafkaException: A client has failed for good.
        """
        while not stop:
            for record in self.reader.poll(POLL_S):
                self.reader.finish(record)
            self._supervise()
            self._writer.check()
            self._pulse.tick(time.monotonic())
        self._end(stop.deadline)

    def _supervise(self) -> None:
        if self._failed is not None:
            raise self._failed
        self._workers = {name: worker for name, worker in self._workers.items() if worker.is_alive()}
        tenure = self._tenure
        if tenure is None or self._complete_since_s() <= tenure.since_s:
            return  # an earlier owner may have saved what the table does not hold yet
        known = [job for job in jobs.join(self._table.rows()).values() if self._is_current(tenure, job)]
        for job in next_jobs(known, self._workers, AT_ONCE - len(self._workers)):
            worker = threading.Thread(
                target=self._work, args=(tenure, job), name=job.request.job, daemon=True
            )
            self._workers[job.request.job] = worker
            worker.start()

    def _complete_since_s(self) -> float:
        return time.monotonic() - self._table.age_s()

    def _is_current(self, tenure: Tenure, job: jobs.Job) -> bool:
        """Whether the table holds what this process saved of a job last."""
        return self._table.position > tenure.saved_at.get(job.request.job, -1)

    def _work(self, tenure: Tenure, job: jobs.Job) -> None:
        seat = Seat(tenure, job, self._control_of(job.request.job), self._rows, self._trail)
        try:
            self._advance(job, seat)
        except Halted:
            _log.info("job %s halts", job.request.job)
        except (KafkaUnavailable, RegistryUnavailable) as error:
            _log.warning("job %s waits: %s", job.request.job, error)
            tenure.sleep(AGAIN_S)
        except BaseException as error:
            self._failed = error

    def _advance(self, job: jobs.Job, seat: Seat) -> None:
        if job.wanted != "run":
            seat.save(_standing(job, "cancelled" if job.wanted == "cancel" else "paused"))
            return
        try:
            self._run(job, seat)
        except Refused as error:
            _log.error("job %s cannot be run: %s", job.request.job, error)
            seat.save(_standing(seat.job, "failed", str(error)))
        except (Halted, KafkaUnavailable, RegistryUnavailable, KafkaException):
            raise
        except Exception as error:
            # Whatever one job leads into, the others go on; taken up again, it would only come to the same.
            _log.exception("job %s has failed", job.request.job)
            seat.save(_standing(seat.job, "failed", f"{type(error).__name__}: {error}"))

    def _run(self, job: jobs.Job, seat: Seat) -> None:
        reason = fault(job.request)
        if reason is not None:
            raise Refused(reason)
        writer = Writer(self._settings, linger_ms=LINGER_MS)
        try:
            source = self._sources.of(job.request)
            Job(job.request, source, settings=self._settings, writer=writer, host=seat).run(job.progress)
        finally:
            writer.close()

    def _control_of(self, job: str) -> Callable[[], JobControl | None]:
        key = jobs.control_key(job)

        def control() -> JobControl | None:
            row = self._table.get(key)
            return row if isinstance(row, JobControl) else None

        return control

    def _end(self, deadline_s: float) -> None:
        """End the tenure: the running jobs may save how far they came until the deadline, and nothing after."""
        tenure, self._tenure = self._tenure, None
        if tenure is not None:
            tenure.halt()
            for worker in self._workers.values():
                worker.join(max(0.0, deadline_s - time.monotonic()))
            tenure.lose()


def _standing(job: jobs.Job, state: State, error: str | None = None) -> ReplayProgress:
    """Return a job's progress where it stands, in another state."""
    now_ms = time.time_ns() // 1_000_000
    known = job.progress or ReplayProgress(job.request.job, state, 0, {}, {}, now_ms)
    return replace(known, state=state, updated_at=now_ms, error=error)
