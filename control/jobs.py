"""Jobs on Kafka: read as a table, asked for by acknowledged writes, and read back before anybody is answered."""

from __future__ import annotations

import logging
import time
from typing import Final

from control.acknowledgement import ACK_MAX_S, acknowledged
from tocsin import jobs
from tocsin.jobs import Job, JobControl, ReplayRequest, Row
from tocsin.kafka.jobrows import JobRows
from tocsin.kafka.tables import Table
from tocsin.kafka.writer import Outgoing, Writer

READ_BACK_MAX_S: Final = 5.0

_log = logging.getLogger("tocsin.control")


class Jobs:
    """Every job there is.

    Args:
        table: The rows of jobs.
        writer: Writes to Kafka.
        rows: Makes what is written.
    """

    def __init__(self, table: Table[Row], writer: Writer, rows: JobRows) -> None:
        self._table = table
        self._writer = writer
        self._rows = rows

    def all(self) -> list[Job]:
        """Return every job, the one asked for first in front."""
        return list(jobs.join(self._table.rows()).values())

    def find(self, job: str) -> Job | None:
        """Return a job, or None."""
        keys = (jobs.request_key(job), jobs.control_key(job), jobs.progress_key(job))
        rows = (self._table.get(key) for key in keys)
        return jobs.join(row for row in rows if row is not None).get(job)

    def request(self, request: ReplayRequest) -> None:
        """Ask for a job.

        Raises:
            NotAcknowledged: No acknowledgement in time; it may or may not be asked for.
        """
        self._write(self._rows.request(request))

    def control(self, control: JobControl) -> None:
        """Say what is wanted of a job; raises as `request`."""
        self._write(self._rows.control(control))

    def _write(self, record: Outgoing) -> None:
        written = acknowledged(self._writer, record, time.monotonic() + ACK_MAX_S)
        if not self._table.wait_for(written.offset, READ_BACK_MAX_S):
            _log.error("%s: offset %d is written but not read back yet", record.topic, written.offset)
