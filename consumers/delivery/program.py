"""The delivery consumer: sign and POST, decide, write the decision, then its effect, then the commit.

    in        tocsin.deliveries (live work), tocsin.redeliveries (due retries, replays); tocsin.subscriptions and
              tocsin.health as tables
    out       tocsin.attempts, then tocsin.delay.<tier> or tocsin.dlq
    group     <prefix>.delivery; equal partition numbers of both topics are with the same process
    commit    a record is finished once the attempt record and its effect are acknowledged

Two threads: the reader's owner polls Kafka, the event loop does everything else. What the loop holds of a record is
a `Work`; it ends in `reader.finish`, or is forgotten because its partition has a new owner, who reads it again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent import futures
from contextlib import suppress
from typing import Any, Final

from consumers.delivery import attempts, schedule, traces
from consumers.delivery.breaker import Breaker
from consumers.delivery.client import DeliveryClient
from consumers.delivery.endpoints import Endpoint, Endpoints, Refused
from consumers.delivery.garbage import Garbage
from consumers.delivery.lanes import Lanes
from consumers.delivery.measures import Measures
from consumers.delivery.memory import Memory
from consumers.delivery.outbox import Outbox
from consumers.delivery.outcome import REACHED, Answered, Outcome
from consumers.delivery.pace import Signal
from consumers.delivery.parking import Parking
from consumers.delivery.transport import Unsent
from consumers.delivery.verdict import Verdict, judge
from consumers.delivery.warmup import Warmup
from consumers.delivery.work import Work
from tocsin import deliveries, failpoints
from tocsin.deliveries import Attempt, Decision, Source
from tocsin.errors import RegistryUnavailable, Undecodable
from tocsin.kafka.codec import Decoder
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Part, Reader, Record
from tocsin.kafka.window import Mark
from tocsin.kafka.writer import Wanted
from tocsin.lifecycle import Stop, Stopped
from tocsin.telemetry import metrics
from tocsin.telemetry.program import Telemetry
from tocsin.telemetry.tracing import Span, within

_log = logging.getLogger("tocsin.delivery")

PUMP_EVERY_S: Final = 0.05
RENEW_EVERY_S: Final = 0.1
REGISTRY_AGAIN_S: Final = 0.5
STARTS_A_TURN: Final = 16
"""POSTs that begin in one turn of the loop. All that may at once hold up the answers of everybody for tens of ms."""
DRAINED_WITHIN_S: Final = 5.0
"""After the deadline. A loop that takes longer to hand partitions back is stuck."""
CUT_BEFORE_S: Final = 0.7
"""What is left of a stop's or a revoke's deadline for writing the decisions about the POSTs that it cut."""


class Delivering:
    """The event loop's side of the program; every method but `assigned`, `revoking` and `lost` runs on the loop.

    Args:
        endpoints: Answers where a delivery goes and how it is signed.
        client: The HTTP edge.
        outbox: Writes attempts and their effects.
        quarantine: Takes what cannot be read.
        lanes: Who is next.
        live_topic: Name of the topic of live work.
        telemetry: What it tells of itself; nobody is told when None.
        stopping: Whether the program ends; nothing is waited for any more then.
    """

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        client: DeliveryClient,
        outbox: Outbox,
        quarantine: Quarantine,
        lanes: Lanes[Work],
        decoder: Decoder,
        warmup: Warmup,
        live_topic: str,
        telemetry: Telemetry | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._endpoints = endpoints
        self._client = client
        self._outbox = outbox
        self._quarantine = quarantine
        self._lanes = lanes
        self._decoder = decoder
        self._warmup = warmup
        self._live_topic = live_topic
        self._telemetry = telemetry or Telemetry("delivery")
        self._asked_to_stop = stopping
        self._measures = Measures(self._telemetry.meter)
        self._loop = asyncio.get_running_loop()
        self._memory = Memory()
        self._breaker = Breaker()
        self._parking = Parking(lanes, outbox, self._park, stopping)
        self._cold: dict[Part, deque[Work]] = {}  # partitions whose decisions are not known yet
        self._learning: Counter[Part] = Counter()  # answers to come: the last tells of this assignment
        self._unmatched: deque[Work] = deque()  # another turn: the table is behind, or the lease had run out
        self._open: dict[Part, set[Work]] = {}
        self._identities: dict[str, Work] = {}  # what is on its way here
        self._interrupted = 0
        self._stopping = False
        self._starts_left = STARTS_A_TURN
        self.failed: BaseException | None = None
        self.reader: Reader

    def watch(self, reader: Reader, table_age_s: Callable[[], float]) -> None:
        """Begin: read with `reader`, and be ready only while progress is made.

        Args:
            table_age_s: How long ago the subscriptions were certainly complete.
        """
        self.reader = reader
        measures, lanes, telemetry = self._measures, self._lanes, self._telemetry
        measures.watch_lanes(lanes)
        telemetry.watch_reads(reader)
        telemetry.watch_tables(table_age_s)
        telemetry.watch_work(lambda: measures.ended, lambda: lanes.in_flight)
        telemetry.gauge(metrics.BREAKER_OPEN, lambda: self._breaker.open)
        telemetry.start()

    # --- the reader's thread ------------------------------------------------------------------------------------

    def assigned(self, parts: Sequence[Part]) -> None:
        """Begin to learn what earlier owners decided; until that is known nothing of the partition starts."""
        self.reader.expect_marks(parts)
        self._call(self._begin, list(parts))
        for part in parts:
            self._warmup.learn(part, self.reader.mark(part), self._learned)

    def revoking(self, parts: Sequence[Part], deadline_s: float) -> None:
        """Hand partitions back: let open POSTs end, cut them at the deadline, write what was decided."""
        done = asyncio.run_coroutine_threadsafe(self._drain(set(parts), deadline_s), self._loop)
        while not done.done() and time.monotonic() < deadline_s:
            futures.wait([done], RENEW_EVERY_S)
            self.reader.renew()
        # Counted from now: a process that was frozen meanwhile wakes up far behind the deadline, on all of its threads.
        done.result(DRAINED_WITHIN_S)

    def lost(self, parts: Sequence[Part]) -> None:
        """Forget partitions that have a new owner."""
        self._call(self._forget, set(parts))

    def deliver(self, records: Sequence[Record]) -> None:
        """Decode records and hand them to the loop; called on the reader's thread."""
        works: list[Work] = []
        with suppress(Stopped):  # what is not decoded by then stays uncommitted
            for record in records:
                work = self._decode(record)
                if work is not None:
                    works.append(work)
        if works:
            self._call(self._take, works)

    def _decode(self, record: Record) -> Work | None:
        while True:
            try:
                delivery = deliveries.from_record(self._decoder(record.value, record.headers).record)
                progress = deliveries.read_progress(record.headers)
                break
            except Undecodable as error:
                self._set_aside(record, str(error))
                return None
            except RegistryUnavailable as error:
                # Only what has not been met since the start is asked for. All that was read before is sent meanwhile.
                if self._asked_to_stop():
                    raise Stopped from error
                _log.warning("waiting for the schema registry: %s", error)
                time.sleep(REGISTRY_AGAIN_S)
                self.reader.renew()
        identity = deliveries.identity(delivery.delivery_id, progress)
        return Work(record, delivery, progress, identity, live=record.topic == self._live_topic)

    def _set_aside(self, record: Record, reason: str) -> None:
        self._quarantine.put(record, reason, lambda: self.reader.finish(record))

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(self._guarded, function, *arguments)

    def _guarded(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except BaseException as error:
            self.failed = error
            raise

    # --- taking records -----------------------------------------------------------------------------------------

    def _begin(self, parts: Sequence[Part]) -> None:
        for part in parts:
            self._cold[part] = deque()
            self._learning[part] += 1
            self._open[part] = set()

    def _learned(self, part: Part, known: Sequence[tuple[str, Source, bytes]]) -> None:
        """Called on the warm-up's thread, once a partition's decisions are known."""
        self._call(self._warm, part, known)

    def _warm(self, part: Part, known: Sequence[tuple[str, Source, bytes]]) -> None:
        for identity, source, packed in known:
            self._memory.add(identity, source, packed)
        self._learning[part] -= 1
        waiting = self._cold.pop(part, None) if not self._learning[part] else None
        if waiting:
            self._take(waiting)

    def _take(self, works: Sequence[Work]) -> None:
        now_s = time.monotonic()
        for work in works:
            cold = self._cold.get(work.part)
            if cold is not None:
                cold.append(work)
            elif self.reader.owns(work.record) and work.part in self._open and not self._stopping:
                self._admit(work, now_s)
        self._pump()

    def _admit(self, work: Work, now_s: float) -> None:
        known = self._memory.find(work.identity, work.source)
        if known is None and work.identity not in self._identities:
            self._hold(work)
            self._lanes.add(work, now_s)
        elif known is not None and known.same_record:
            self._hold(work)
            self._effect(work, deliveries.unpack_decision(known.packed))
        else:
            self.reader.finish(work.record)

    def _hold(self, work: Work) -> None:
        work.open = True
        self._identities[work.identity] = work
        self._open[work.part].add(work)

    def _release(self, work: Work) -> None:
        work.open = False
        if self._identities.get(work.identity) is work:
            del self._identities[work.identity]
        held = self._open.get(work.part)
        if held is not None:
            held.discard(work)

    # --- sending ------------------------------------------------------------------------------------------------

    async def run(self, stop: Stop) -> None:
        """Serve until asked to stop, then end open work within the deadline."""
        garbage = Garbage(self._loop)
        error: BaseException | None = None
        while not stop and (error := self.failed or self._outbox.failed) is None:
            now_s = time.monotonic()
            self._telemetry.pulse.tick(now_s)
            self._parking.note(now_s)
            self._match_again()
            self._outbox.serve()
            self._pump()
            await self._relieve()
            await asyncio.sleep(PUMP_EVERY_S)
            if self._lanes.in_flight:
                failpoints.hit("delivery.after_send")
        garbage.close()
        if error is not None:
            raise error
        self._stopping = True
        await self._drain(set(self._open), stop.deadline)
        if self._interrupted:
            _log.warning("%d POSTs were cut at the deadline and will be repeated", self._interrupted)

    def _match_again(self) -> None:
        for _ in range(len(self._unmatched)):
            self._lanes.add(self._unmatched.popleft(), time.monotonic())

    def _pump(self) -> None:
        """Start what may start, some of it with the loop's next turn."""
        if self._stopping or not self.reader.alive() or self._outbox.stalled():
            return
        while self._starts_left and self._breaker.may_start(now_s := time.monotonic()):
            work = self._lanes.take(now_s)
            if work is None:
                break
            if self._breaker.open:
                self._breaker.probed(now_s)
            if self._starts_left == STARTS_A_TURN:
                self._loop.call_soon(self._guarded, self._next_turn)
            self._starts_left -= 1
            self._start(work)

    def _next_turn(self) -> None:
        self._starts_left = STARTS_A_TURN
        self._pump()

    def _start(self, work: Work) -> None:
        endpoint = self._endpoints.find(work.delivery, _now_ms(), test=work.progress.test)
        if endpoint is None:
            self._end(work, "neutral", time.monotonic())
            self._wait_again(work)
        elif isinstance(endpoint, Refused):
            self._end(work, "neutral", time.monotonic())
            decision = schedule.refused(endpoint.reason, work.progress, endpoint.error)
            self._decide(work, decision, attempts.without_post(work, decision, _now_ms()))
        else:
            work.task = self._loop.create_task(self._attempt(work, endpoint))
            work.task.add_done_callback(self._attempted)

    def _wait_again(self, work: Work) -> None:
        """Let a work that had its turn wait for another; forget it if its partition is handed back."""
        if work.part in self._open:
            self._unmatched.append(work)
        else:
            self._release(work)

    def _attempted(self, task: asyncio.Task[None]) -> None:
        """What an attempt raises ends the program: nobody waits for the task, and its work stays open."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed = error

    async def _attempt(self, work: Work, endpoint: Endpoint) -> None:
        started_s, started_ms = time.monotonic(), _now_ms()
        signal: Signal = "neutral"
        retry_after_s: float | None = None
        outcome: Outcome | None = None
        span: Span | None = None
        try:
            if work.given_up:
                raise asyncio.CancelledError
            span = work.span = traces.begin(self._telemetry.tracer, work, endpoint)
            body = endpoint.body(work.delivery)
            headers = endpoint.request_headers(work.delivery, body, started_ms // 1000)
            if span is not None:
                headers = [*headers, traces.sent_along(span)]
            with within(span):
                outcome = await self._client.post(
                    url=endpoint.url,
                    headers=headers,
                    body=body,
                    timeout_s=endpoint.timeout_s,
                    may_send=self.reader.alive,
                )
            self._measures.posted(work, outcome)
            verdict = judge(outcome, time.time())
            if verdict.action == "delivered":
                failpoints.hit("delivery.after_2xx")
            signal = _signal(verdict)
            retry_after_s = verdict.retry_after_s if verdict.slow_down else None
            decision = self._decision(work, endpoint, outcome, verdict)
            attempt = attempts.ended(
                work, decision, endpoint, outcome, verdict, started_ms=started_ms, headers=headers
            )
        except Unsent:
            # The process was frozen before there was a connection, say: somebody else may have the partition by now.
            self._wait_again(work)
            if span is not None:
                span.end("unsent")
            return
        except asyncio.CancelledError:
            if not work.cut:
                raise
            self._interrupted += 1
            decision = schedule.interrupted(work.progress)
            duration_s = time.monotonic() - started_s
            attempt = attempts.cut(work, decision, endpoint, started_ms=started_ms, duration_s=duration_s)
        finally:
            work.task = None
            self._end(work, signal, started_s, retry_after_s)
        if span is not None:
            traces.end(span, decision, outcome)
        self._decide(work, decision, attempt)
        self._pump()

    def _decision(self, work: Work, endpoint: Endpoint, outcome: Outcome, verdict: Verdict) -> Decision:
        reached = True if isinstance(outcome, Answered) else REACHED[outcome.kind]
        was_open = self._breaker.open
        if reached is not None:
            self._breaker.note(work.endpoint, reachable=reached, now_s=time.monotonic())
        if self._breaker.open != was_open:
            _log.error(
                "hardly any endpoint can be reached: %s",
                "deliveries wait" if self._breaker.open else "no longer",
            )
        if self._breaker.open and reached is False:
            return schedule.parked(work.progress, _now_ms(), outage=True)
        status = outcome.status if isinstance(outcome, Answered) else None
        return schedule.after_attempt(verdict, work.progress, endpoint.schedule, status=status)

    def _end(self, work: Work, signal: Signal, started_s: float, retry_after_s: float | None = None) -> None:
        self._lanes.done(
            work.endpoint, signal, started_s=started_s, now_s=time.monotonic(), retry_after_s=retry_after_s
        )

    # --- deciding -----------------------------------------------------------------------------------------------

    def _decide(self, work: Work, decision: Decision, attempt: Attempt) -> None:
        """Write the attempt record; its acknowledgement makes the decision."""
        self._measures.decided(work, decision, _now_ms(), outage=decision.reason == schedule.OUTAGE)

        def decided(position: int) -> None:
            failpoints.hit("delivery.after_decision")
            self._memory.add(work.identity, work.source, deliveries.pack_decision(decision))
            self.reader.set_mark(work.record.partition, Mark(position + 1, _now_ms()))
            self._effect(work, decision)

        self._write(
            work,
            lambda wanted: self._outbox.attempt(
                work.record, work.identity, attempt, decided, wanted, work.span
            ),
        )

    def _effect(self, work: Work, decision: Decision) -> None:
        if decision.verdict == "delivered" or decision.progress is None:
            self._finish(work)
            return

        def written() -> None:
            if decision.tier is not None:
                failpoints.hit("delivery.after_delay_write")
            else:
                failpoints.hit("delivery.after_dlq_write")
            self._finish(work)

        system = work.delivery.system
        self._write(
            work,
            lambda wanted: self._outbox.effect(work.record, system, decision, written, wanted, work.span),
        )

    def _finish(self, work: Work) -> None:
        self._release(work)
        self.reader.finish(work.record)

    def _write(self, work: Work, write: Callable[[Wanted], None]) -> None:
        """Write about a work while this process certainly owns its partition; wait where that is in doubt."""
        standing = self._standing(work)
        if standing:
            write(lambda: self._standing(work))
        elif standing is None:
            self._loop.call_later(PUMP_EVERY_S, self._guarded, self._write, work, write)
        else:
            self._release(work)

    def _standing(self, work: Work) -> bool | None:
        """Whether a work's partition is ours; None while that is in doubt."""
        if not self.reader.owns(work.record):
            return False
        return True if self.reader.alive() else None

    async def _relieve(self) -> None:
        for part in self.reader.parts:
            await self._parking.relieve(part, self.reader.fill(part), len(self._open.get(part, ())))

    def _park(self, work: Work, wait_s: float) -> None:
        decision = schedule.parked(work.progress, _now_ms(), wait_s, outage=self._breaker.open)
        self._decide(work, decision, attempts.without_post(work, decision, _now_ms()))

    # --- handing back -------------------------------------------------------------------------------------------

    async def _drain(self, parts: set[Part], deadline_s: float) -> None:
        """End the open work of partitions: nothing new starts, open POSTs may end, the rest is cut.

        What could not be decided in time is given up: whoever owns the partition next reads it again. That may be this
        process, which must not take it for a copy of something that is still on its way.
        """
        works = self._close(parts)
        cut_at_s = deadline_s - CUT_BEFORE_S
        while (works := [work for work in works if work.open]) and time.monotonic() < deadline_s:
            if time.monotonic() >= cut_at_s:
                for work in works:
                    if work.task is not None and not work.cut:
                        work.cut = True
                        work.cancel()
            await asyncio.sleep(0.005)
        for work in works:
            self._release(work)

    def _close(self, parts: set[Part]) -> list[Work]:
        """Take no more of these partitions, forget what waits, and return what has begun."""
        self._drop_waiting(parts)
        for part in parts:
            self._cold.pop(part, None)
        return [work for part in parts for work in self._open.pop(part, ())]

    def _drop_waiting(self, parts: set[Part]) -> None:
        """Forget what has not begun; the next owner reads it again."""
        waiting = self._lanes.remove(parts)
        waiting += [work for work in self._unmatched if work.part in parts]
        self._unmatched = deque(work for work in self._unmatched if work.part not in parts)
        for work in waiting:
            self._release(work)

    def _forget(self, parts: set[Part]) -> None:
        for work in self._close(parts):
            self._release(work)
            work.cancel()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _signal(verdict: Verdict) -> Signal:
    if verdict.action == "delivered":
        return "success"
    return "overload" if verdict.slow_down else "neutral"
