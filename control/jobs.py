"""Jobs on Kafka: read as a table, asked for by acknowledged writes, and read back before anybody is answered."""

from __future__ import annotations

from control.acknowledgement import acknowledged, read_back
from tocsin import jobs
from tocsin.jobs import Job, JobControl, ReplayRequest, Row
from tocsin.kafka.jobrows import JobRows
from tocsin.kafka.tables import Table
from tocsin.kafka.writer import Outgoing, Writer


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
        read_back(self._table, acknowledged(self._writer, record).offset)
