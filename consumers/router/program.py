"""The router: every event becomes one delivery for each subscription that wants it.

    in        tocsin.events.<system>, every system; tocsin.subscriptions and tocsin.health as tables
    out       tocsin.deliveries; tocsin.quarantine, for what cannot be read, rendered or decided about
    group     <prefix>.router
    commit    an event is finished once all of its deliveries are acknowledged; one that nobody wants at once

One thread, which polls and takes acknowledgements between small portions of work. An event is matched only against a table that was complete
`EFFECTIVE_MARGIN_S` ago or later, measured after the event was fetched: so a subscription whose change was
acknowledged that long before an event was published is always seen by it. A crash in the middle of an event repeats
some of its deliveries with the same ids, and whoever delivers drops them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from consumers.router import traces
from consumers.router.backlog import Backlog
from consumers.router.effects import Effects
from consumers.router.measures import Measures
from consumers.router.outbox import Outbox
from tocsin import events, intake
from tocsin.errors import RegistryUnavailable, RenderError, Undecodable
from tocsin.fanout import FanOut
from tocsin.kafka.codec import Decoder
from tocsin.kafka.inflight import InFlight
from tocsin.kafka.reader import Limits, Part, Reader, Record
from tocsin.kafka.standing import StandingSubscriptions
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop
from tocsin.matching import Index
from tocsin.subscriptions import EFFECTIVE_MARGIN_S
from tocsin.telemetry import tracing
from tocsin.telemetry.program import Telemetry
from tocsin.telemetry.tracing import Span
from tocsin.wire.systems import System, Systems

_log = logging.getLogger("tocsin.router")

LIMITS: Final = Limits(records=5_000, size_bytes=1 << 20)
PORTION_S: Final = 0.05
"""How long is worked between two polls."""
IDLE_POLL_S: Final = 0.1
BLOCKED_POLL_S: Final = 0.005
"""How long a poll waits while there is work that may not be done yet, or acknowledgements are to come."""
REGISTRY_AGAIN_S: Final = 1.0
"""How long a publisher's events wait when the registry did not answer for the first of them."""


class Routing:
    """Turns events into deliveries; it is its reader's hooks.

    Args:
        systems: Topic name to the system whose events it holds.
        contracts: All systems and open formats.
        index: Which subscriptions want an event.
        table: The table that feeds the index.
        telemetry: What it tells of itself; nobody is told when None.
    """

    reader: Reader

    def __init__(
        self,
        *,
        systems: Mapping[str, System],
        contracts: Systems,
        index: Index,
        table: StandingSubscriptions,
        decoder: Decoder,
        writer: Writer,
        outbox: Outbox,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._systems = systems
        self._contracts = contracts
        self._index = index
        self._table = table
        self._decoder = decoder
        self._writer = writer
        self._outbox = outbox
        self._telemetry = telemetry or Telemetry("router")
        self._measures = Measures(self._telemetry.meter)
        self._backlog = Backlog()
        self._in_flight = InFlight()
        self._current: tuple[Record, Iterator[None]] | None = None

    def watch(self, reader: Reader) -> None:
        """Begin: read with `reader`, and be ready only while progress is made."""
        self.reader = reader
        telemetry, writer = self._telemetry, self._writer
        telemetry.watch_reads(reader)
        telemetry.watch_tables(self._table.age_s)
        telemetry.watch_work(lambda: writer.ended, reader.unfinished)
        telemetry.start()

    def assigned(self, parts: Sequence[Part]) -> None:
        """Nothing of them has been read: there is nothing to do."""

    def revoking(self, parts: Sequence[Part], deadline_s: float) -> None:
        """Forget what waits, and bring the event that is being routed and its acknowledgements to an end."""
        self._backlog.drop(parts)
        if self._current is not None and self._current[0].part in parts:
            self._finish_current(deadline_s)
        self._in_flight.drain(parts, deadline_s, self._writer.wait)
        self._forget(parts)

    def lost(self, parts: Sequence[Part]) -> None:
        """Forget these partitions: the new owner reads them again."""
        self._backlog.drop(parts)
        self._forget(parts)

    def run(self, stop: Stop) -> None:
        """Route until asked to stop, then end the event that is being routed.

        Raises:
            KafkaException: A client has failed for good.
        """
        while not stop:
            for record in self.reader.poll(self._poll_timeout_s()):
                self._backlog.add(record)
            self._work(time.monotonic() + PORTION_S)
            self._writer.serve()
            self._writer.check()
            self._telemetry.pulse.tick(time.monotonic())
        self._finish_current(stop.deadline)

    def _poll_timeout_s(self) -> float:
        if self._may_work():
            return 0.0
        waits = self._current is not None or len(self._backlog) or self._writer.outstanding
        return BLOCKED_POLL_S if waits else IDLE_POLL_S

    def _work(self, until_s: float) -> None:
        while self._may_work() and time.monotonic() < until_s:
            if self._current is None:
                self._begin()
            self._step()

    def _finish_current(self, deadline_s: float) -> None:
        """Begin the writes that are left of the event that is being routed, unless the deadline comes first."""
        while self._current is not None and time.monotonic() < deadline_s and self.reader.alive():
            if self._outbox.has_room():
                self._step()
            else:
                self._writer.wait(0.001)

    def _may_work(self) -> bool:
        if not self._outbox.has_room() or not self.reader.alive():
            return False
        if self._current is not None:
            return True
        return self._backlog.ready(time.monotonic()) and self._table.age_s() <= EFFECTIVE_MARGIN_S

    def _begin(self) -> None:
        record = self._backlog.take(time.monotonic())
        if record is not None:
            self._current = record, self._route(record)

    def _step(self) -> None:
        if self._current is not None and next(self._current[1], self) is self:
            self._current = None

    def _forget(self, parts: Sequence[Part]) -> None:
        if self._current is not None and self._current[0].part in parts:
            self._current = None
        self._in_flight.forget(parts)

    def _route(self, record: Record) -> Iterator[None]:
        """Write the effects of one event, yielding after each, so that polls and limits come in between."""
        span = traces.begin(self._telemetry.tracer, record)
        try:
            arrived = intake.read(record, self._systems[record.topic], self._decoder)
        except RegistryUnavailable as error:
            _log.warning("%s %d offset %d waits: %s", record.topic, record.partition, record.offset, error)
            self._backlog.hold(record, time.monotonic() + REGISTRY_AGAIN_S)
            return
        except Undecodable as error:
            self._set_aside(record, str(error), span)
            return
        match = self._index.match(arrived.event, arrived.system.name, arrived.data)
        fan_out = FanOut(arrived, match.subscriptions, self._contracts)
        yield from self._fan_out(record, fan_out, match.undecided, span)

    def _fan_out(
        self, record: Record, fan_out: FanOut, undecided: Mapping[str, str], span: Span | None
    ) -> Iterator[None]:
        effects = self._effects(record, span)
        carried = tracing.renewed(events.carried(record.headers), tracing.ROUTER, span)
        for delivery in fan_out:
            try:
                self._outbox.deliver(record, carried, delivery, effects)
            except RenderError as error:
                fan_out.refuse(delivery, str(error))
            yield
        refused = {**undecided, **fan_out.refused}
        if refused:
            with tracing.within(span):
                self._outbox.set_aside(record, _refusals(refused), effects)
        self._measures.routed(record, effects.begun - bool(refused), quarantined=bool(refused))
        effects.end()

    def _set_aside(self, record: Record, reason: str, span: Span | None) -> None:
        effects = self._effects(record, span)
        with tracing.within(span):
            self._outbox.set_aside(record, reason, effects)
        self._measures.routed(record, 0, quarantined=True)
        effects.end()

    def _effects(self, record: Record, span: Span | None) -> Effects:
        self._in_flight.begin(record)
        return Effects(partial(self._finish, record, span))

    def _finish(self, record: Record, span: Span | None) -> None:
        self.reader.finish(record)
        self._in_flight.end(record)
        self._measures.ended(record, time.time_ns() // 1_000_000)
        if span is not None:
            span.end()


def _refusals(refused: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in refused.items())
