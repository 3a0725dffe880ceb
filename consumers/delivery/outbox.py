"""What delivery writes: the attempt record that is the decision, and the effect that follows from it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from tocsin import deliveries, events
from tocsin.deliveries import Attempt, Decision
from tocsin.kafka.codec import Encoder
from tocsin.kafka.reader import Record
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing, Wanted, Writer, Written
from tocsin.telemetry import tracing
from tocsin.telemetry.tracing import Span

CONNECTOR = b"tocsin"
STALLED_S = 2.0
SERVE_EVERY_S = 0.002
"""Between two looks for acknowledgements, while some are owed."""
UNDECIDED_MOST = 512
"""Writes not yet acknowledged; a crash repeats their POSTs. At 25 ms for an acknowledgement, 20,000 a second fit."""
FOLLOWED_A_TURN = 16
"""Acknowledgements whose consequences one turn of the loop sees. They come a batch at a time, and each may mean a write."""


class Outbox:
    """Writes of one process; acknowledgements come back on the event loop, which serves the writer.

    Args:
        writer: The producer, without a thread of its own.
        topics: Topic names.
        encode: Encoder of attempt records.
        loop: Where this is used.
    """

    def __init__(
        self,
        writer: Writer,
        topics: Topics,
        encode: Encoder,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._writer = writer
        self._topics = topics
        self._encode = encode
        self._loop = loop
        self._serving = False
        self._moved_at_s = 0.0
        self._acknowledged: deque[tuple[Callable[[Written], None], Written]] = deque()
        self._failed: BaseException | None = None

    @property
    def failed(self) -> BaseException | None:
        """Why the program must stop: a write that can never succeed, or what an acknowledgement led to."""
        return self._failed or self._writer.failed

    @property
    def owed(self) -> int:
        """Writes that are not acknowledged yet."""
        return self._writer.outstanding

    def stalled(self) -> bool:
        """Whether Kafka has acknowledged nothing for a while, or owes much: what is sent now could not be decided.

        A process that goes on sending while its decisions are stuck would leave all of it to be repeated.
        """
        outstanding = self._writer.outstanding
        is_late = time.monotonic() - self._moved_at_s > STALLED_S
        return outstanding >= UNDECIDED_MOST or (outstanding > 0 and is_late)

    def attempt(
        self,
        record: Record,
        identity: str,
        attempt: Attempt,
        decided: Callable[[int], None],
        wanted: Wanted,
        span: Span | None = None,
    ) -> None:
        """Write an attempt; `decided` gets its offset in the same partition of the attempts topic.

        Args:
            span: Of the attempt; it travels with what is written.
        """
        headers = [
            *tracing.renewed(events.carried(record.headers), tracing.PREVIOUS, span),
            *deliveries.decision_headers(identity, attempt.source, attempt.decision),
        ]
        outgoing = Outgoing(
            self._topics.attempts,
            record.key,
            self._encode(deliveries.attempt_record(attempt)),
            headers,
            # The next owner of this partition number looks here for what was decided.
            partition=record.partition,
        )
        self._write(outgoing, lambda written: decided(written.offset), wanted)

    def effect(
        self,
        record: Record,
        system: str,
        decision: Decision,
        done: Callable[[], None],
        wanted: Wanted,
        span: Span | None = None,
    ) -> None:
        """Write what follows from a decision about an event of a system: a record in a delay topic, or a dead letter.

        Args:
            span: Of the attempt; the next one is linked to it.
        """
        if decision.progress is None:
            raise ValueError(f"nothing follows from {decision.verdict}")
        headers = [
            *tracing.renewed(events.carried(record.headers), tracing.PREVIOUS, span),
            *((name, value) for name, value in record.headers if name == "tocsin_delivery_id"),
            *deliveries.progress_headers(decision.progress),
        ]
        if decision.tier is not None:
            topic = self._topics.delay(decision.tier)
        else:
            topic = self._topics.dlq
            headers += _dead_letter_headers(record, system, decision)
        self._write(Outgoing(topic, record.key, record.value, headers), lambda _: done(), wanted)

    def serve(self) -> None:
        """Take acknowledgements, also of what others write with this writer; what follows from them happens soon."""
        owed = self._writer.outstanding
        self._writer.serve()
        if self._writer.outstanding < owed:
            self._moved_at_s = time.monotonic()

    def _write(self, outgoing: Outgoing, then: Callable[[Written], None], wanted: Wanted) -> None:
        if not self._writer.outstanding:
            self._moved_at_s = time.monotonic()
        self._writer.write(outgoing, partial(self._note, then), wanted=wanted)
        if not self._serving:
            self._serving = True
            self._loop.call_later(SERVE_EVERY_S, self._serve_while_owed)

    def _note(self, then: Callable[[Written], None], written: Written) -> None:
        if not self._acknowledged:
            self._loop.call_soon(self._follow)
        self._acknowledged.append((then, written))

    def _follow(self) -> None:
        """Do what follows from some acknowledgements, and leave the rest to the loop's next turn."""
        try:
            for _ in range(min(FOLLOWED_A_TURN, len(self._acknowledged))):
                then, written = self._acknowledged[0]
                if written.error is not None:
                    raise RuntimeError(f"a decision or its effect can never be written: {written.error}")
                then(written)
                self._acknowledged.popleft()
        except BaseException as error:
            self._failed = error
            return
        if self._acknowledged:
            self._loop.call_soon(self._follow)

    def _serve_while_owed(self) -> None:
        self.serve()
        self._serving = self._writer.outstanding > 0
        if self._serving:
            self._loop.call_later(SERVE_EVERY_S, self._serve_while_owed)


def _dead_letter_headers(record: Record, system: str, decision: Decision) -> list[tuple[str, bytes]]:
    """Return why a letter is dead, in our names and in Kafka Connect's, which existing tools read."""
    reason = (decision.reason or "").encode()
    error = (decision.progress.last_error or "") if decision.progress else ""
    return [
        ("tocsin_system", system.encode()),
        ("tocsin_reason", reason),
        ("tocsin_fault", (decision.fault or "").encode()),
        ("tocsin_source", f"{record.topic}/{record.partition}/{record.offset}".encode()),
        ("__connect.errors.topic", record.topic.encode()),
        ("__connect.errors.partition", str(record.partition).encode()),
        ("__connect.errors.offset", str(record.offset).encode()),
        ("__connect.errors.connector.name", CONNECTOR),
        ("__connect.errors.exception.class.name", reason),
        ("__connect.errors.exception.message", error.encode("utf-8", "replace")),
    ]
