"""The delay consumer: what waits in a tier goes on when it is due, never early.

    in        tocsin.delay.<tier>, every tier
    out       tocsin.redeliveries; another tier, when more than this one is left to wait
    group     <prefix>.delay
    commit    a record is finished once what it became is acknowledged

One thread. Fetched records are held in memory up to the reader's limits per partition; above, the partition is
paused and Kafka keeps the rest. Pausing instead as soon as the first record is not due would throw the fetched ones
away and fetch them again, once a tier.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from consumers.delay.waiting import Waiting, onward
from tocsin import deliveries, events, failpoints, tiers
from tocsin.deliveries import Progress
from tocsin.errors import Undecodable
from tocsin.kafka.inflight import InFlight
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Part, Reader, Record
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.lifecycle import Stop
from tocsin.telemetry import metrics
from tocsin.telemetry.program import Telemetry

POLL_MOST_S: Final = 0.1
BLOCKED_POLL_S: Final = 0.005
"""How long a poll waits while there is work that may not be done yet."""
OPEN_MOST: Final = 20_000
"""Writes not yet acknowledged; above, due records wait for the broker instead of piling up in the client."""


@dataclass(frozen=True, slots=True)
class Held:
    """A record that waits, with what its headers say."""

    record: Record
    delivery_id: str
    progress: Progress


class Delaying:
    """Holds what waits and sends on what is due; it is its reader's hooks.

    Args:
        clock_ms: The broker's time of day, milliseconds since the epoch: the clock that append times are of.
        telemetry: What it tells of itself.
    """

    reader: Reader

    def __init__(
        self,
        topics: Topics,
        writer: Writer,
        quarantine: Quarantine,
        clock_ms: Callable[[], float],
        telemetry: Telemetry,
    ) -> None:
        self._topics = topics
        self._writer = writer
        self._quarantine = quarantine
        self._clock_ms = clock_ms
        self._delay_ms = {topics.delay(tier): delay_s * 1000 for tier, delay_s in tiers.TIERS.items()}
        self._tiers = {topics.delay(tier): tier for tier in tiers.TIERS}
        self._telemetry = telemetry
        self._sent_on = telemetry.meter.counter(metrics.DELAYED)
        self._lateness = telemetry.meter.histogram(metrics.DELAY_LATENESS)
        self._waiting: Waiting[Held] = Waiting()
        self._in_flight = InFlight()

    def watch(self, reader: Reader) -> None:
        """Begin: read with `reader`, and be ready only while progress is made."""
        self.reader = reader
        telemetry, writer = self._telemetry, self._writer
        telemetry.watch_reads(reader)
        telemetry.watch_work(lambda: writer.ended, lambda: len(self._in_flight))
        telemetry.start()

    def assigned(self, parts: Sequence[Part]) -> None:
        """Nothing of them has been read: there is nothing to do."""

    def revoking(self, parts: Sequence[Part], deadline_s: float) -> None:
        """Forget what waits in these partitions, and let what goes on already be acknowledged."""
        self._forget_waiting(parts)
        self._in_flight.drain(parts, deadline_s, self._writer.wait)
        self._in_flight.forget(parts)

    def lost(self, parts: Sequence[Part]) -> None:
        """Forget these partitions: the new owner reads again what waits in them."""
        self._forget_waiting(parts)
        self._in_flight.forget(parts)

    def run(self, stop: Stop) -> None:
        """Hold and send on until asked to stop.

        Raises:
            KafkaException: The client has failed for good.
        """
        while not stop:
            for record in self.reader.poll(self._timeout_s()):
                self._hold(record)
            self._send_due()
            self._writer.check()
            self._telemetry.pulse.tick(time.monotonic())

    def _forget_waiting(self, parts: Sequence[Part]) -> None:
        gone = set(parts)
        self._waiting.drop(lambda held: held.record.part in gone)

    def _timeout_s(self) -> float:
        # In whole milliseconds, rounded up: the client cuts fractions off, and would spin through the last one.
        wait_s = math.ceil(1000 * self._waiting.wait_s(self._clock_ms(), POLL_MOST_S)) / 1000
        return wait_s if wait_s or self._may_send() else BLOCKED_POLL_S

    def _may_send(self) -> bool:
        return len(self._in_flight) < OPEN_MOST and self.reader.alive()

    def _hold(self, record: Record) -> None:
        try:
            held = _read(record)
        except Undecodable as error:
            self._set_aside(record, str(error))
        else:
            self._waiting.add(record.timestamp_ms + self._delay_ms[record.topic], held)
            failpoints.hit("delay.before_due")

    def _send_due(self) -> None:
        now_ms = self._clock_ms()
        while self._may_send():
            held = self._waiting.due(now_ms)
            if held is None:
                return
            if self.reader.owns(held.record):
                self._count(held.record, now_ms)
                self._send(held)

    def _count(self, record: Record, now_ms: float) -> None:
        tier = self._tiers[record.topic]
        self._sent_on.add(tier)
        self._lateness.record((now_ms - record.timestamp_ms - self._delay_ms[record.topic]) / 1000, tier)

    def _send(self, held: Held) -> None:
        record, hop = held.record, onward(held.progress)
        self._in_flight.begin(record)
        outgoing = Outgoing(
            self._topics.delay(hop.tier) if hop.tier else self._topics.redeliveries,
            record.key,
            record.value,
            [
                *events.carried(record.headers),
                ("tocsin_delivery_id", held.delivery_id.encode()),
                *deliveries.progress_headers(hop.progress),
            ],
        )
        self._writer.write(outgoing, partial(self._sent, record), wanted=partial(self.reader.owns, record))

    def _sent(self, record: Record, written: Written) -> None:
        failpoints.hit("delay.after_write")
        if written.error is None:
            self._finish(record)
        else:
            self._quarantine_now(record, f"it cannot be sent on: {written.error}")

    def _set_aside(self, record: Record, reason: str) -> None:
        self._in_flight.begin(record)
        self._quarantine_now(record, reason)

    def _quarantine_now(self, record: Record, reason: str) -> None:
        self._quarantine.put(record, reason, partial(self._finish, record))

    def _finish(self, record: Record) -> None:
        self.reader.finish(record)
        self._in_flight.end(record)


def _read(record: Record) -> Held:
    delivery_id = deliveries.first_value(record.headers, "tocsin_delivery_id")
    if not delivery_id:
        raise Undecodable("header tocsin_delivery_id is missing")
    return Held(record, delivery_id, deliveries.read_progress(record.headers))
