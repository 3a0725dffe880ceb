"""The ledger: projects what happened to deliveries into the store that people query, and tells of endpoint health.

    in        tocsin.attempts (tries), tocsin.deliveries (bodies), of tocsin.redeliveries what jobs set going
    out       the store; tocsin.health and notices, see `announcements.py`
    group     <prefix>.ledger; equal partition numbers of all three are with the same process
    commit    the store's own positions are the truth and change with the rows; the group's offset says how far what
              follows was announced

One thread. It only reads what others write: when it is slow or the store is down, no delivery waits for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from consumers.ledger.batch import Batch, Entry, Taken
from consumers.ledger.intake import Intake
from consumers.ledger.projector import Overtaken, Projector
from consumers.ledger.reading import Reading
from consumers.ledger.retention import Retention
from tocsin.errors import LedgerUnavailable, Undecodable
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Part, Record
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop, Stopped
from tocsin.telemetry import metrics
from tocsin.telemetry.program import Telemetry

GATHER_MOST_S: Final = 0.5
AGAIN_AFTER_S: Final = 0.5
SEEN_EVERY_S: Final = 1.0
RETAIN_EVERY_S: Final = 10.0
TELL_EVERY_S: Final = 60.0
_HEARD_WITHIN_MS: Final = 500
"""How old the broker's answer that there is no more may be: it waits a quarter of a second before it says so."""

_log = logging.getLogger("tocsin.ledger")


class Ledgering:
    """Reads, projects, and keeps the store in order.

    Attributes:
        delay_ms: How old the last batch's first record was when the store had it; 0 once there is nothing more.
        projected: Records projected since the start.
        caught_up: There was nothing more when the broker was last heard of.
    """

    intake: Intake

    def __init__(
        self,
        *,
        reading: Reading,
        projector: Projector,
        retention: Retention,
        probe: Callable[[int], None],
        quarantine: Quarantine,
        writer: Writer,
        stop: Stop,
        telemetry: Telemetry,
    ) -> None:
        self._reading = reading
        self._projector = projector
        self._retention = retention
        self._probe = probe
        self._quarantine = quarantine
        self._writer = writer
        self._stop = stop
        self._telemetry = telemetry
        self._records = telemetry.meter.counter(metrics.LEDGER_RECORDS)
        self._through_ms = _now_ms()
        self.caught_up = True
        self.delay_ms = 0
        self.projected = 0
        self._told = 0
        self._tell_due_s = time.monotonic() + TELL_EVERY_S
        self._seen_due_s = self._retain_due_s = 0.0

    def watch(self, intake: Intake) -> None:
        """Begin: read with `intake`, and be ready only while progress is made."""
        self.intake = intake
        telemetry = self._telemetry
        telemetry.watch_member(intake)
        telemetry.gauge(metrics.PARTITIONS, lambda: len(intake.positions))
        telemetry.gauge(metrics.LEDGER_DELAY, lambda: self.behind_s(_now_ms()))
        telemetry.watch_work(lambda: self.projected, lambda: not self.caught_up)
        telemetry.start()

    def behind_s(self, now_ms: int) -> float:
        """Return how old what was projected last is; 0 when there is nothing more."""
        return 0.0 if self.caught_up else max(0.0, (now_ms - self._through_ms) / 1000)

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Project until asked to stop, or until `until`.

        Raises:
            KafkaException: The client has failed for good.
            Stopped: Asked to stop while it waited for the store or for Kafka.
        """
        while not self._stop and not until():
            records = self.intake.gather(GATHER_MOST_S)
            if records:
                self._take(records)
            self._tend()
            self._writer.check()
            self._telemetry.pulse.tick(time.monotonic())

    def positions(self) -> Mapping[Part, int]:
        """Return the store's positions, once it answers; raises Stopped."""
        return self._stop.patiently(self._projector.positions)

    def place(self, positions: Mapping[Part, tuple[int | None, int]]) -> None:
        """Set positions of the store, once it answers; raises Stopped."""
        self._stop.patiently(lambda: self._projector.place(positions))

    def _take(self, records: Sequence[Record]) -> None:
        if self.caught_up:
            self.caught_up, self._through_ms = False, records[0].timestamp_ms
        positions = self.intake.positions
        taken = [Taken(record, self._read(record)) for record in records]
        batch = Batch({part: positions[part] for part in {record.part for record in records}}, taken)
        try:
            self._project(batch)
        except Overtaken as error:
            _log.warning("another ledger has gone on: %s", error)
            self.intake.place_again(batch.begin)

    def _read(self, record: Record) -> Entry | None:
        quiet = self.intake.announced(record)
        try:
            return self._stop.patiently(lambda: self._reading.read(record, quiet=quiet))
        except Undecodable as error:
            self._set_aside(record, str(error))
            return None

    def _project(self, batch: Batch) -> None:
        try:
            self._stop.patiently(lambda: self._projector.project(batch))
        except SQLAlchemyError as error:
            self._project_apart(batch, error)
            return
        self.intake.projected(batch.last())
        self.projected += len(batch.taken)
        self._records.add(by=len(batch.taken))
        self._through_ms = min(taken.record.timestamp_ms for taken in batch.taken)
        self.delay_ms = _now_ms() - self._through_ms

    def _project_apart(self, batch: Batch, error: SQLAlchemyError) -> None:
        """Find the record that the store refuses, so that all others are projected."""
        if len(batch.taken) > 1:
            for half in batch.halves():
                self._project(half)
            return
        (taken,) = batch.taken
        if taken.entry is None:
            raise error
        cleaned = _cleaned(taken.entry)
        if cleaned != taken.entry:
            self._project(replace(batch, taken=[Taken(taken.record, cleaned)]))
            return
        self._set_aside(taken.record, f"the delivery log refuses it: {type(error).__name__}")
        self._project(batch.without_entries())

    def _set_aside(self, record: Record, reason: str) -> None:
        """Quarantine a record; its position moves only after that is acknowledged."""
        self._quarantine.put(record, reason, lambda: None)
        while not self._writer.flush(AGAIN_AFTER_S):
            self._writer.check()
            if self._stop:
                raise Stopped

    def _tend(self) -> None:
        """Do what is due now and then, as far as the store answers."""
        now_s = time.monotonic()
        try:
            if now_s >= self._seen_due_s:
                self._seen_due_s = now_s + SEEN_EVERY_S
                self._probe(_now_ms())
                self._note_end()
            if now_s >= self._retain_due_s:
                more = self._retention.turn(_now_ms())
                self._retain_due_s = now_s if more else now_s + RETAIN_EVERY_S
        except LedgerUnavailable as error:
            _log.warning("the delivery log does not answer: %s", error)
        if now_s >= self._tell_due_s:
            self._tell_due_s = now_s + TELL_EVERY_S
            self._tell()

    def _note_end(self) -> None:
        at_end = self.intake.at_end()
        self._projector.seen(at_end, _now_ms() - _HEARD_WITHIN_MS)
        if at_end and len(at_end) == len(self.intake.positions):
            self.delay_ms = 0
            self.caught_up = True

    def _tell(self) -> None:
        if self.projected > self._told:
            _log.info(
                "%d records projected, %.1f s behind", self.projected - self._told, self.delay_ms / 1000
            )
            self._told = self.projected


def _cleaned(entry: Entry) -> Entry:
    """Return an entry without NUL characters, which PostgreSQL's text cannot hold."""
    return entry._replace(fields={name: _without_nul(value) for name, value in entry.fields.items()})


def _without_nul(value: Any) -> Any:
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
