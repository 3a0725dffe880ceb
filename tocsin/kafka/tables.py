"""A compacted topic read as a table: key to latest value, kept current by a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from tocsin.errors import KafkaUnavailable, RegistryUnavailable, Undecodable
from tocsin.kafka import clients
from tocsin.settings import Settings

T = TypeVar("T")

_log = logging.getLogger("tocsin.kafka.tables")

_CHECK_EVERY_S: Final = 0.2
COMPLAIN_EVERY_S: Final = 5.0


class _Stopped(Exception):
    """Asked to stop while a record waits for its schema."""


class Table(Generic[T]):
    """The latest value of every key of a topic with one partition.

    Args:
        settings: Where Kafka is.
        topic: A compacted topic with one partition.
        decode: Makes the row of a message; Undecodable for poison, which is reported and passed over.
        on_change: Called on the table's thread after a row has changed; None for a removed row.
        on_poison: Called with a message that cannot be decoded, and the reason.
        supersedes: Whether a new row takes the place of the known one; always, when None. With it a removed row
            never comes back.
        on_overtaken: Called with key and offset of a record that does not: it came second.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        decode: Callable[[Message], T],
        *,
        on_change: Callable[[str, T | None], None] | None = None,
        on_poison: Callable[[Message, str], None] | None = None,
        supersedes: Callable[[T, T], bool] | None = None,
        on_overtaken: Callable[[str, int], None] | None = None,
    ) -> None:
        self.topic = topic
        self._settings = settings
        self._decode = decode
        self._on_change = on_change
        self._on_poison = on_poison
        self._supersedes = supersedes
        self._on_overtaken = on_overtaken
        self._rows: dict[str, T] = {}
        self._removed: set[str] = set()
        self._position = 0
        self._current_at = float("-inf")
        self._complained_at = time.monotonic()
        self._moved = threading.Condition()
        self._stopping = threading.Event()
        self._failed: BaseException | None = None
        self._waits_for: RegistryUnavailable | None = None
        self._thread = threading.Thread(target=self._run, name=f"table {topic}", daemon=True)

    @property
    def position(self) -> int:
        """The offset up to which the table has been read."""
        return self._position

    def age_s(self) -> float:
        """Return how long ago the table was certainly complete; infinite before it was loaded."""
        if self._failed is not None:
            raise self._failed
        return time.monotonic() - self._current_at

    def get(self, key: str) -> T | None:
        """Return the row of a key, or None."""
        return self._rows.get(key)

    def rows(self) -> list[T]:
        """Return all rows at this moment."""
        return list(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def start(self, timeout_s: float = 10.0) -> None:
        """Start reading, and return once the table is loaded to its end; may be called again after it raised.

        Raises:
            KafkaUnavailable, RegistryUnavailable: It could not be loaded within `timeout_s`; the reading goes on.
        """
        if self._thread.ident is None:
            self._thread.start()
        with self._moved:
            loaded = self._moved.wait_for(
                lambda: self._failed is not None or self._current_at > float("-inf"), timeout_s
            )
        if self._failed is not None:
            raise self._failed
        if not loaded:
            raise self._waits_for or KafkaUnavailable(
                f"{self.topic} could not be read to its end within {timeout_s:.0f} s"
            )

    def wait_for(self, offset: int, timeout_s: float = 10.0) -> bool:
        """Wait until the record at `offset` has been read; return whether it was, within `timeout_s`."""
        with self._moved:
            return self._moved.wait_for(lambda: self._position > offset, timeout_s)

    def stop(self) -> None:
        """Stop reading."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        consumer = clients.plain_consumer(self._settings)
        try:
            consumer.assign([TopicPartition(self.topic, 0, 0)])
            check_due = 0.0
            while not self._stopping.is_set():
                self._apply(_next(consumer))
                if time.monotonic() >= check_due:
                    self._check_end(consumer)
                    check_due = time.monotonic() + _CHECK_EVERY_S
        except _Stopped:
            pass
        except BaseException as error:
            self._failed = error
            with self._moved:
                self._moved.notify_all()
            raise
        finally:
            consumer.close()

    def _apply(self, messages: Sequence[Message]) -> None:
        for message in messages:
            error = message.error()
            if error is not None:
                if error.fatal():
                    raise KafkaException(error)
                _log.warning("%s: %s", self.topic, error.str())
                continue
            self._take(message)
        if messages:
            with self._moved:
                self._moved.notify_all()

    def _take(self, message: Message) -> None:
        key = (message.key() or b"").decode("utf-8", "replace")
        try:
            row = None if message.value() is None else self._patiently(message)
        except Undecodable as error:
            _log.error("%s offset %s is passed over: %s", self.topic, message.offset(), error)
            if self._on_poison is not None:
                self._on_poison(message, str(error))
        else:
            self._put(key, row, message.offset() or 0)
        self._position = (message.offset() or 0) + 1

    def _put(self, key: str, row: T | None, offset: int) -> None:
        if row is None:
            self._rows.pop(key, None)
            if self._supersedes is not None:
                self._removed.add(key)
        elif self._takes_place(key, row):
            self._rows[key] = row
        else:
            if self._on_overtaken is not None:
                self._on_overtaken(key, offset)
            return
        if self._on_change is not None:
            self._on_change(key, row)

    def _takes_place(self, key: str, row: T) -> bool:
        if self._supersedes is None:
            return True
        known = self._rows.get(key)
        return key not in self._removed and (known is None or self._supersedes(row, known))

    def _patiently(self, message: Message) -> T:
        while True:
            try:
                row = self._decode(message)
            except RegistryUnavailable as error:
                self._waits_for = error
                _log.warning("%s waits for the schema registry: %s", self.topic, error)
                if self._stopping.wait(1.0):
                    raise _Stopped from error
            else:
                self._waits_for = None
                return row

    def _check_end(self, consumer: Consumer) -> None:
        asked_at = time.monotonic()
        try:
            low, end = consumer.get_watermark_offsets(TopicPartition(self.topic, 0), timeout=2.0)
        except KafkaException as error:
            # A topic that was made a moment ago has no leader yet: worth a word only if it lasts.
            if asked_at - self._complained_at > COMPLAIN_EVERY_S:
                self._complained_at = asked_at
                _log.warning("%s: its end is not known: %s", self.topic, error.args[0].str())
            return
        if self._position < low:
            self._position = low
        if self._position >= end:
            with self._moved:
                self._current_at = asked_at
                self._moved.notify_all()


def _next(consumer: Consumer) -> Sequence[Message]:
    first = consumer.poll(0.05)
    return () if first is None else (first, *consumer.consume(5_000, 0))
