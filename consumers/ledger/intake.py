"""The ledger's member of its consumer group: it reads from the positions that the store has, not those of the group.

The group's committed offset of a partition says something else: how far what follows from its records has been
announced. Below it nothing is announced again, whatever becomes of the store.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tocsin import failpoints
from tocsin.kafka import clients
from tocsin.kafka.reader import JOINED_AFTER_S, Part, Record, each_known, record_of
from tocsin.lifecycle import Stop
from tocsin.settings import Settings

GATHER_S: Final = 0.25
GATHER_MOST: Final = 5_000
"""Ids are random, so that each batch writes much of its indexes anew: the more in one, the less for each."""
GATHER_BYTES: Final = 8 << 20
COMMIT_EVERY_S: Final = 1.0
_ANSWER_S: Final = 5.0

_log = logging.getLogger("tocsin.ledger")

Positions = Callable[[], Mapping[Part, int]]
Place = Callable[[Mapping[Part, tuple[int | None, int]]], None]


@dataclass(slots=True)
class _Held:
    """A partition that is ours.

    Attributes:
        next: Its position in the store.
        announced: What lies before this offset was announced.
        committed: The offset that the group was told last.
    """

    next: int
    announced: int
    committed: int


class Intake:
    """Gathers records; every method is called on one thread.

    Args:
        settings: Where Kafka is.
        group: Name of the consumer group.
        topics: What is read.
        positions: Returns the store's positions; it may wait for the store.
        place: Sets positions of the store; likewise.
        stop: Ends waiting for Kafka.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        topics: Sequence[str],
        positions: Positions,
        place: Place,
        stop: Stop,
    ) -> None:
        self._positions = positions
        self._place = place
        self._stop = stop
        self._held: dict[Part, _Held] = {}
        self._gathered: list[Message] = []
        self._commit_due_s = 0.0
        self._was_given_some = False
        self._doubtful_since_s = time.monotonic()
        self._unanswered = 0
        self._consumer = clients.group_consumer(settings, group, on_commit=self._on_commit, unhurried=True)
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    @property
    def positions(self) -> dict[Part, int]:
        """The position of every partition that is ours."""
        return {part: held.next for part, held in self._held.items()}

    @property
    def joined(self) -> bool:
        """As of `Reader`."""
        return self._was_given_some or time.monotonic() - self._doubtful_since_s > JOINED_AFTER_S

    @property
    def leads(self) -> bool:
        """It needs no lease: the store refuses whoever is not the one."""
        return True

    def announced(self, record: Record) -> bool:
        """Whether what follows from a record was announced before."""
        return record.offset < self._held[record.part].announced

    def gather(self, timeout_s: float) -> list[Record]:
        """Return records of the partitions that are ours, none if there is none within `timeout_s`.

        Raises:
            KafkaException: The client has failed for good.
        """
        self._commit_if_due()
        self._gathered = []
        size = 0
        until_s = time.monotonic() + timeout_s
        while (left_s := until_s - time.monotonic()) > 0 and len(self._gathered) < GATHER_MOST:
            first = self._consumer.poll(left_s)
            if first is None:
                break
            if not self._gathered:
                until_s = time.monotonic() + GATHER_S
            fresh = [first, *self._consumer.consume(GATHER_MOST - len(self._gathered) - 1, 0)]
            self._gathered += filter(self._intact, fresh)
            size += sum(len(message) for message in fresh)
            if size > GATHER_BYTES:
                break
        failpoints.hit("reader.after_poll")
        return [record for record in map(record_of, self._gathered) if record.part in self._held]

    def projected(self, last: Mapping[Part, Record]) -> None:
        """Note the last records of a batch that the store has taken, and all of whose announcements are made."""
        for part, record in last.items():
            self._held[part].next = record.offset + 1

    def place_again(self, parts: Iterable[Part]) -> None:
        """Go on reading where the store stands, in partitions of which it has other positions than expected."""
        known = self._positions()
        for part in parts:
            held = self._held.get(part)
            if held is not None and part in known:
                held.next = known[part]
                self._consumer.seek(TopicPartition(*part, held.next))

    def at_end(self) -> dict[Part, int]:
        """Return the positions of those partitions that had nothing more when the broker was last heard of."""
        return {part: held.next for part, held in self._held.items() if held.next >= self._end(part)}

    def close(self) -> None:
        """Commit, and leave the group."""
        self._commit_at_once(list(self._held))
        self._consumer.close()

    def _end(self, part: Part) -> float:
        _, high = self._consumer.get_watermark_offsets(TopicPartition(*part), cached=True)
        return high if high >= 0 else float("inf")

    def _commit_if_due(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._commit_due_s:
            self._commit_due_s = now_s + COMMIT_EVERY_S
            self._commit(list(self._held), asynchronous=True)

    def _commit(self, parts: Iterable[Part], *, asynchronous: bool) -> None:
        # Never back: behind a rebuilt store's position lies what was announced from the earlier one.
        moved = [part for part in parts if self._held[part].next > self._held[part].committed]
        if not moved:
            return
        offsets = [TopicPartition(*part, self._held[part].next) for part in moved]
        try:
            if asynchronous:
                self._consumer.commit(offsets=offsets)
                self._unanswered += 1
            else:
                self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            _told(error.args[0], offsets)
            return
        for part in moved:
            self._held[part].committed = self._held[part].next

    def _commit_at_once(self, parts: Iterable[Part]) -> None:
        """Commit before these partitions are gone.

        Where the last commit was not answered nobody may be there to answer: the client would wait for minutes.
        """
        if not self._unanswered:
            self._commit(parts, asynchronous=False)

    def _on_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        self._unanswered -= 1
        _told(error, offsets)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        positions = self._positions() if partitions else {}
        begun: dict[Part, tuple[int | None, int]] = {}
        for part, committed, low, high in self._stop.patiently(lambda: _offsets(consumer, partitions)):
            found = positions.get(part)
            start = _start(part, found, low, high)
            if start != found:
                begun[part] = found, start
            announced = min(max(committed, 0), high)
            self._held[part] = _Held(start, announced, announced)
        self._place(begun)
        parts = [Part(tp.topic, tp.partition) for tp in partitions]
        consumer.incremental_assign([TopicPartition(*part, self._held[part].next) for part in parts])
        self._was_given_some = True

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        parts = [part for tp in partitions if (part := Part(tp.topic, tp.partition)) in self._held]
        failpoints.hit("reader.in_revoke")
        self._commit_at_once(parts)
        self._drop(parts)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._drop([Part(tp.topic, tp.partition) for tp in partitions])

    def _drop(self, parts: Sequence[Part]) -> None:
        """Forget partitions, and what was gathered of them: whoever has them now reads it again."""
        for part in parts:
            self._held.pop(part, None)
        self._gathered = [message for message in self._gathered if _part(message) in self._held]

    def _intact(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal():
            raise KafkaException(error)
        _log.warning("kafka: %s", error.str())
        self._doubtful_since_s = time.monotonic()
        return False


def _start(part: Part, position: int | None, low: int, high: int) -> int:
    if position is None:
        return low
    if position > high:
        _log.warning(
            "%s %d ends at %d, before its position %d: the log was cut or made anew", *part, high, position
        )
        return low
    if position < low:
        _log.warning("%s %d begins at %d: its records from %d on were deleted unread", *part, low, position)
        return low
    return position


def _offsets(consumer: Consumer, partitions: list[TopicPartition]) -> list[tuple[Part, int, int, int]]:
    """Return partitions with the group's committed offset, and the first and the next offset of their logs."""
    try:
        committed = each_known(consumer.committed(partitions, timeout=_ANSWER_S) if partitions else [])
        return [
            (
                Part(tp.topic, tp.partition),
                tp.offset,
                *consumer.get_watermark_offsets(TopicPartition(tp.topic, tp.partition), timeout=_ANSWER_S),
            )
            for tp in committed
        ]
    except KafkaException as error:
        raise clients.unavailable("offsets cannot be read", error) from error


def _told(error: KafkaError | None, offsets: Sequence[TopicPartition]) -> None:
    # The store's positions count. A commit that is missing only makes an announcement possible twice.
    if error is not None:
        _log.info("the group was not told how far %d partitions are: %s", len(offsets), error.str())


def _part(message: Message) -> Part:
    return Part(message.topic() or "", message.partition() or 0)
