"""Acknowledged writes: every record ends in exactly one call of `done`, or is wanted no longer.

A writer tries again whatever may succeed later, for as long as it is wanted: a permission that is missing is a fault
of the installation, not of the record, and somebody will grant it. What can never succeed (too large) is told to the
caller, who must not pretend that it was written.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message

from tocsin.kafka import clients
from tocsin.settings import Settings

_log = logging.getLogger("tocsin.kafka.writer")

_FOR_GOOD: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError._INVALID_ARG,
        KafkaError._UNKNOWN_PARTITION,
    }
)
_BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)


class Outgoing(NamedTuple):
    """A record to write. `partition` -1 leaves the choice to the partitioner."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    partition: int = -1


class Written(NamedTuple):
    """How a write ended. With an `error` nothing is stored and never will be.

    Attributes:
        timestamp_ms: The broker's append time where the topic keeps that, else when the record was made.
    """

    partition: int
    offset: int
    error: str | None = None
    timestamp_ms: int = 0


Done = Callable[[Written], None]
Wanted = Callable[[], bool | None]
"""Whether a write is still wanted; None puts the next try off."""


def _always() -> bool:
    return True


class Writer:
    """An idempotent producer. Every `done` is called on its own thread, or on the one that calls `serve`.

    Args:
        settings: Where Kafka is.
        linger_ms: How long a batch may wait to grow.
        timeout_s: Bound on one try; see `clients.producer`.
        own_thread: Without it, its owner calls `serve` every few milliseconds. Each acknowledgement that comes on
            another thread takes the interpreter's lock from the one that works, twice.

    Attributes:
        failed: What made it useless.
        complaint: Why the last write that has to be repeated has failed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        linger_ms: float = 1.0,
        timeout_s: float | None = None,
        own_thread: bool = True,
    ) -> None:
        self._producer = clients.producer(settings, linger_ms=linger_ms, timeout_s=timeout_s)
        self._retries: list[tuple[float, int, Outgoing, Done, Wanted, int]] = []
        self._tie = itertools.count()
        self._lock = threading.Lock()
        self._outstanding = 0
        self._ended = 0
        self._idle = threading.Condition(self._lock)
        self._closing = False
        self.failed: BaseException | None = None
        self.complaint: str | None = None
        self._thread: threading.Thread | None = None
        if own_thread:
            self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
            self._thread.start()

    @property
    def outstanding(self) -> int:
        """Number of writes whose `done` has not been called."""
        return self._outstanding

    @property
    def ended(self) -> int:
        """Number of writes that have ended since the start."""
        return self._ended

    def write(self, record: Outgoing, done: Done, *, wanted: Wanted = _always) -> None:
        """Write a record; never blocks.

        Args:
            record: What to write.
            done: Called once, on the writer's thread, unless the write is wanted no longer.
            wanted: Asked before every new try, not before the first; False abandons the write, None puts it off.
        """
        with self._lock:
            self._outstanding += 1
        self._produce(record, done, wanted, 0)

    def check(self) -> None:
        """Raise what a `done` raised, or what made the producer useless: the program must stop."""
        if self.failed is not None:
            raise self.failed

    def flush(self, timeout_s: float) -> bool:
        """Wait until every write has ended; return whether that was so within `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self._outstanding:
            left = deadline - time.monotonic()
            if left <= 0 or self.failed is not None:
                return False
            self.wait(min(left, 0.1))
        return True

    def wait(self, timeout_s: float) -> None:
        """Let writes end, all of them if that takes no longer than `timeout_s`."""
        if self._thread is None:
            self.serve(timeout_s)
            return
        with self._idle:
            if self._outstanding:
                self._idle.wait(timeout_s)

    def serve(self, timeout_s: float = 0.0) -> None:
        """Call the `done` of what has ended, and write again what is due; for a writer without a thread.

        Args:
            timeout_s: How long to wait for the first to end.
        """
        self._producer.poll(timeout_s)
        while (retry := self._next_retry()) is not None:
            record, done, wanted, tries = retry
            is_wanted = wanted()
            if is_wanted:
                self._produce(record, done, wanted, tries)
            elif is_wanted is None:
                self._later(record, done, wanted, tries)
            else:
                self._leave()

    def close(self) -> None:
        """Stop the thread; writes still outstanding are given up."""
        self._closing = True
        if self._thread is not None:
            self._thread.join(5.0)
        self._producer.purge()
        # A report that nobody has taken holds the client, and all of its threads, for ever.
        self._producer.poll(0)

    def _produce(self, record: Outgoing, done: Done, wanted: Wanted, tries: int) -> None:
        def report(error: KafkaError | None, message: Message) -> None:
            offset = message.offset()
            if error is None and offset is not None and offset >= 0:
                self._end(done, Written(message.partition() or 0, offset, None, message.timestamp()[1]))
            elif error is None:
                # The broker says that it has this already, and not where. Written twice does no harm.
                self._later(record, done, wanted, tries)
            else:
                self._failed(error, record, done, wanted, tries)

        options: dict[str, Any] = {} if record.partition < 0 else {"partition": record.partition}
        try:
            self._producer.produce(
                record.topic,
                value=record.value,
                key=record.key,
                headers=list(record.headers),
                on_delivery=report,
                **options,
            )
        except BufferError:
            self._later(record, done, wanted, tries)
        except KafkaException as error:
            self._failed(error.args[0], record, done, wanted, tries)

    def _failed(self, error: KafkaError, record: Outgoing, done: Done, wanted: Wanted, tries: int) -> None:
        if self._closing:
            self._leave()
        elif error.fatal():
            self.failed = KafkaException(error)
            self._leave()
        elif error.code() in _FOR_GOOD:
            self._end(done, Written(-1, -1, error.str()))
        elif wanted() is not False:
            self.complaint = error.str()
            _log.warning("write to %s failed, will be repeated: %s", record.topic, error.str())
            self._later(record, done, wanted, tries)
        else:
            self._leave()

    def _later(self, record: Outgoing, done: Done, wanted: Wanted, tries: int) -> None:
        due = time.monotonic() + _BACKOFF_S[min(tries, len(_BACKOFF_S) - 1)]
        with self._lock:
            heapq.heappush(self._retries, (due, next(self._tie), record, done, wanted, tries + 1))

    def _end(self, done: Done, written: Written) -> None:
        try:
            done(written)
        except BaseException as error:
            self.failed = error
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._outstanding -= 1
            self._ended += 1
            if not self._outstanding:
                self._idle.notify_all()

    def _next_retry(self) -> tuple[Outgoing, Done, Wanted, int] | None:
        if not self._retries:
            return None
        with self._lock:
            if self._retries[0][0] > time.monotonic():
                return None
            _, _, record, done, wanted, tries = heapq.heappop(self._retries)
        return record, done, wanted, tries

    def _run(self) -> None:
        while not self._closing:
            self.serve(0.02 if self._retries else 0.1)
