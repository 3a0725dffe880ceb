"""A consumer group's member: reads records, keeps a progress window per partition, commits what is finished.

One thread owns a reader: it alone calls `poll` and `close`. Any thread may call `finish` and `alive`. librdkafka
serialises consumer calls, so a call from a second thread would wait for the running poll.

An assignment of a partition has an epoch. What was begun under an older epoch belongs to somebody else by now,
and its completion is ignored.

Whoever acts for a partition asks `alive` first: a member acts under a lease, which its own commits renew.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import methodcaller
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tocsin import failpoints
from tocsin.kafka import clients
from tocsin.kafka.lease import Lease, without_tag
from tocsin.kafka.window import FULL_AT, Commit, Mark, Window
from tocsin.settings import Settings

T = TypeVar("T")

COMMIT_EVERY_S: Final = 0.1
RUNS_A_COMMIT: Final = 500
"""Finished runs that one commit packs, half a millisecond in which nobody else gets anything done; one partition's at
least. The other partitions come first in the next."""
REVOKE_DEADLINE_S: Final = 3.0
"""How long a revoked partition's open work may take to end; below half of the shortest sensible session."""

JOINED_AFTER_S: Final = 15.0
"""A takeover takes no longer: who has got no partition by then, and no error, is in its group without any."""

_log = logging.getLogger("tocsin.kafka.reader")

_ANSWER_S: Final = 5.0
_SAY_EVERY_S: Final = 10.0
_LATEST: Final = -1
"""The time that means the end of the log, where offsets are asked for by time."""

# The group has moved on without us: the new owner's commits count, ours does not matter.
_NOT_OURS: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,
    }
)


class Part(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


_part: Final = lru_cache(maxsize=10_000)(Part)
"""They are few, and asked for several times for each record."""


class Record(NamedTuple):
    """A record as it was read. `timestamp_ms` is the broker's append time where the topic keeps that."""

    topic: str
    partition: int
    offset: int
    epoch: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp_ms: int

    @property
    def part(self) -> Part:
        return _part(self.topic, self.partition)


def whose_turn(waiting: Iterable[tuple[float, Part, int]]) -> list[Part]:
    """Return the partitions that a commit is about: as many as `RUNS_A_COMMIT` lets it, those that waited longest first.

    Args:
        waiting: When a partition was last committed, which one, and how many finished runs there are to pack.
    """
    turn: list[Part] = []
    total = 0
    for _, part, runs in sorted(waiting):
        total += runs
        if turn and total > RUNS_A_COMMIT:
            break
        turn.append(part)
    return turn


_headers: Final = methodcaller("headers")
"""In a loop that is warm, the interpreter's own call no longer looks whether the client returned beside an error."""


def headers_of(message: Message) -> list[tuple[str, bytes | None]]:
    """Return a message's headers; none where the name of one is not UTF-8, which any producer may write."""
    try:
        found: Any = _headers(message) or []
    except SystemError:
        return _no_headers(message)
    return cast(list[tuple[str, bytes | None]], found)


def record_of(message: Message, epoch: int = 0) -> Record:
    """Return a message as a record, headers as `headers_of`; `epoch` matters only to those who read in a group."""
    # Its lines instead of a call of it: this is done for every record.
    try:
        headers: Any = _headers(message) or []
    except SystemError:
        headers = _no_headers(message)
    return Record(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        epoch,
        message.key(),
        message.value(),
        headers,
        message.timestamp()[1],
    )


def _no_headers(message: Message) -> list[tuple[str, bytes | None]]:
    # The client has kept a list whose reading would crash the process.
    message.set_headers([])
    where = message.topic(), message.partition(), message.offset()
    _log.error("%s %s offset %s has headers that cannot be read: it counts as one without any", *where)
    return []


class Hooks(Protocol):
    """What a program does when its share of the partitions changes; called on the owner's thread."""

    def assigned(self, parts: Sequence[Part]) -> None:
        """The partitions are ours from now on; nothing of them has been read."""

    def revoking(self, parts: Sequence[Part], deadline_s: float) -> None:
        """Bring open work of these partitions to an end before `deadline_s` on the monotonic clock, and return."""

    def lost(self, parts: Sequence[Part]) -> None:
        """The partitions have a new owner already: forget them, write nothing more about them."""


@dataclass(slots=True)
class _Assigned:
    """A partition that is ours; `moved` says that there may be something new to commit since `said_s`."""

    epoch: int
    window: Window
    committed: Commit | None = None
    said_s: float = 0.0
    sizes: dict[int, int] = field(default_factory=dict)
    marks_from: int | None = None
    moved: bool = True
    held_bytes: int = 0
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much unfinished work may be held before a partition is paused; it resumes at half.

    Attributes:
        records: Of one partition.
        size_bytes: Of one partition.
        total_records: Of all partitions together; those that hold more than their share of it are paused.
    """

    records: int = 20_000
    size_bytes: int = 16 << 20
    total_records: int = 1 << 62

    def fill(self, records: int, size_bytes: int, total: int, parts: int) -> float:
        """Return how full a partition is, 1 when it takes no more.

        Args:
            records: Unfinished records it holds.
            size_bytes: Their size.
            total: Unfinished records of all partitions.
            parts: How many partitions there are.
        """
        share = self.total_records / max(parts, 1)
        crowding = total / self.total_records * min(1.0, records / share)
        return max(records / self.records, size_bytes / self.size_bytes, crowding)


class Reader:
    """A member of a consumer group.

    Args:
        settings: Where Kafka is, and the group's session.
        group: Name of the consumer group.
        topics: What is read.
        hooks: The program's side of a rebalance.
        limits: Bounds on unfinished work per partition.
        unhurried: Nothing that is read is wanted within a quarter of a second: fetch rarely, much at once.
        stopping: Whether the program ends; without an answer from Kafka, partitions are then not taken over.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        topics: Sequence[str],
        hooks: Hooks,
        limits: Limits | None = None,
        *,
        unhurried: bool = False,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._hooks = hooks
        self._limits = limits or Limits()
        self._stopping = stopping
        self._lease = Lease(settings.session_s)
        self._assigned: dict[Part, _Assigned] = {}
        self._finished: deque[tuple[Part, int, int]] = deque()
        self._grown: set[Part] = set()
        self._unfinished = 0
        self._epoch = 0
        self._commit_due = time.monotonic()
        self._marks: dict[int, Mark] = {}
        self._was_given_some = False
        self._doubtful_since_s = time.monotonic()
        self._consumer = clients.group_consumer(
            settings, group, on_commit=self._on_commit, unhurried=unhurried
        )
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    @property
    def parts(self) -> list[Part]:
        """The partitions held now."""
        return list(self._assigned)

    def poll(self, timeout_s: float, most: int = 500) -> list[Record]:
        """Serve the group, commit what is due, and return the next records, waiting for the first at most `timeout_s`.

        Raises:
            KafkaException: The client has failed for good.
        """
        self._settle()
        if time.monotonic() >= self._commit_due:
            self._commit(asynchronous=True)
        self._regulate()
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(most - 1, 0)] if most > 1 else [first]
        records = [record for message in messages if (record := self._received(message)) is not None]
        failpoints.hit("reader.after_poll")
        return records

    def finish(self, record: Record) -> None:
        """Note that a record's effects are all acknowledged; once each, from any thread."""
        self._finished.append((record.part, record.offset, record.epoch))

    def alive(self) -> bool:
        """Whether this member may act for its partitions now: its lease has not run out."""
        return self._lease.holds(time.monotonic())

    @property
    def joined(self) -> bool:
        """Whether the group has given it partitions. One that gets none is told nothing: it counts after a while."""
        return self._was_given_some or time.monotonic() - self._doubtful_since_s > JOINED_AFTER_S

    @property
    def leads(self) -> bool:
        """Whether its lease holds; true as well while there is nothing to commit, by which alone it can be proven."""
        return self.alive() or all(state.window.expected is None for state in list(self._assigned.values()))

    def owns(self, record: Record) -> bool:
        """Whether the assignment under which a record was read still holds."""
        state = self._assigned.get(record.part)
        return state is not None and state.epoch == record.epoch

    def expect_marks(self, parts: Sequence[Part]) -> None:
        """Let marks hold for what is appended to partitions from now on; called in `Hooks.assigned`.

        What lies there already may have been read and decided about by an earlier owner, after the position that
        a new mark would name.
        """
        asked = [TopicPartition(*part, _LATEST) for part in parts]
        for end in self._patiently("end offsets", lambda: _end_offsets(self._consumer, asked)):
            self._assigned[Part(end.topic, end.partition)].marks_from = end.offset

    def set_mark(self, partition: int, mark: Mark) -> None:
        """Remember a mark that holds for records of this partition number received from now on."""
        self._marks[partition] = mark

    def mark(self, part: Part) -> Mark:
        """Return the mark that the committed window of a partition carries."""
        state = self._assigned.get(part)
        return state.window.mark if state else Mark()

    def fill(self, part: Part) -> float:
        """Return how full a partition's window is, 0 to 1."""
        state = self._assigned.get(part)
        return self._fill(state) if state else 0.0

    def fills(self) -> dict[str, float]:
        """Return how full the fullest window of each topic is, 0 to 1; from any thread."""
        found: dict[str, float] = {}
        for part in list(self._assigned):
            found[part.topic] = max(found.get(part.topic, 0.0), self.fill(part))
        return found

    def unfinished(self) -> int:
        """Return how many records are received and not finished."""
        return self._unfinished

    def renew(self) -> None:
        """Renew the lease while nothing is polled, as from within `Hooks.revoking`; call it now and then."""
        if self.alive() and self._lease.is_due(time.monotonic()):
            self._commit(asynchronous=False)

    def close(self) -> None:
        """Commit what is finished and leave the group. Open work is the caller's to end before."""
        self._settle()
        self._commit_at_once(list(self._assigned))
        self._consumer.close()

    def _received(self, message: Message) -> Record | None:
        error = message.error()
        if error is not None:
            if error.fatal():
                raise KafkaException(error)
            _log.warning("kafka: %s", error.str())
            self._doubtful_since_s = time.monotonic()
            return None
        part = Part(message.topic() or "", message.partition() or 0)
        offset = message.offset()
        state = self._assigned.get(part)
        if state is None or offset is None:
            return None
        if state.window.expected is not None and offset < state.window.expected:
            _log.warning("%s %d went back to offset %d: the log was cut or made anew", *part, offset)
            self._begin(part, None, "")
            state = self._assigned[part]
        is_fresh = state.marks_from is not None and offset >= state.marks_from
        state.moved = True
        if not state.window.receive(offset, self._marks.get(part.partition) if is_fresh else None):
            return None
        size = len(message)
        state.sizes[offset] = size
        state.held_bytes += size
        self._unfinished += 1
        self._grown.add(part)
        return record_of(message, state.epoch)

    def _settle(self) -> None:
        while self._finished:
            part, offset, epoch = self._finished.popleft()
            state = self._assigned.get(part)
            if state is not None and state.epoch == epoch:
                state.window.finish(offset)
                state.moved = True
                self._unfinished -= 1
                state.held_bytes -= state.sizes.pop(offset)

    def _commit(self, *, asynchronous: bool, only: Sequence[Part] | None = None) -> None:
        now_s = time.monotonic()
        self._commit_due = now_s + COMMIT_EVERY_S
        offsets = self._unsaid(self._moved() if only is None else only, now_s)
        if not offsets and only is None and self._lease.is_due(now_s):
            offsets = self._said_already()
        if offsets:
            self._say(_tagged(offsets, self._lease.begin(now_s)), asynchronous=asynchronous)

    def _commit_at_once(self, parts: Sequence[Part]) -> None:
        """Commit what is finished before these partitions are gone.

        Without a lease nobody may be there to answer: the client would wait for minutes.
        """
        if self.alive():
            self._commit(asynchronous=False, only=parts)

    def _say(self, offsets: list[TopicPartition], *, asynchronous: bool) -> None:
        failpoints.hit("reader.before_commit")
        try:
            if asynchronous:
                self._consumer.commit(offsets=offsets)
                failpoints.hit("reader.in_commit")
            else:
                self._on_commit(None, self._consumer.commit(offsets=offsets, asynchronous=False))
        except KafkaException as error:
            self._commit_failed(error.args[0], offsets)

    def _moved(self) -> list[Part]:
        return whose_turn(
            (state.said_s, part, state.window.runs) for part, state in self._assigned.items() if state.moved
        )

    def _unsaid(self, parts: Iterable[Part], now_s: float) -> list[TopicPartition]:
        """Return what there is to commit, and note it as committed."""
        offsets = []
        for part in parts:
            state = self._assigned.get(part)
            if state is None or not state.moved:
                continue
            state.moved, state.said_s = False, now_s
            commit = state.window.committable()
            if commit is not None and commit != state.committed:
                offsets.append(TopicPartition(part.topic, part.partition, commit.offset, commit.metadata))
                state.committed = commit
        return offsets

    def _said_already(self) -> list[TopicPartition]:
        """Return a commit to repeat: of one partition, if there is any that has one."""
        for part, state in self._assigned.items():
            if state.committed is not None:
                return [TopicPartition(*part, state.committed.offset, state.committed.metadata)]
        return []

    def _on_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        if error is None:
            error = next((tp.error for tp in offsets if tp.error is not None), None)
        if error is not None:
            self._commit_failed(error, offsets)
        elif offsets:
            self._lease.accepted(offsets[0].metadata or "")

    def _commit_failed(self, error: KafkaError, offsets: Sequence[TopicPartition]) -> None:
        if error.code() not in _NOT_OURS:
            _log.warning("commit failed, will be repeated: %s", error.str())
        for offset in offsets:
            state = self._assigned.get(Part(offset.topic, offset.partition))
            if state is not None:
                state.committed, state.moved = None, True

    def _regulate(self) -> None:
        full = [part for part in self._grown if not self._paused(part) and self.fill(part) >= 1]
        free = [part for part in self._assigned if self._paused(part) and self.fill(part) <= 0.5]
        self._grown.clear()
        for parts, paused, act in ((full, True, self._consumer.pause), (free, False, self._consumer.resume)):
            if parts:
                act([TopicPartition(*part) for part in parts])
                for part in parts:
                    self._assigned[part].paused = paused

    def _paused(self, part: Part) -> bool:
        state = self._assigned.get(part)
        return state is not None and state.paused

    def _fill(self, state: _Assigned) -> float:
        held = self._limits.fill(
            state.window.unfinished, state.held_bytes, self._unfinished, len(self._assigned)
        )
        return max(state.window.fill() / FULL_AT, held)

    def _begin(self, part: Part, start: int | None, metadata: str) -> None:
        self._drop(part)
        self._epoch += 1
        self._assigned[part] = _Assigned(self._epoch, Window(start, metadata))

    def _drop(self, part: Part) -> None:
        state = self._assigned.pop(part, None)
        if state is not None:
            self._unfinished -= state.window.unfinished

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        parts = [Part(tp.topic, tp.partition) for tp in partitions]
        try:
            self._take_over(consumer, partitions)
            self._hooks.assigned(parts)
        except _NotTaken:
            self._on_lost(consumer, partitions)
            return
        consumer.incremental_assign(partitions)
        self._was_given_some = True
        if partitions:
            # A partition that was paused when it was taken from this member would still be paused.
            consumer.resume(partitions)

    def _take_over(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for committed in self._patiently("committed offsets", lambda: _committed(consumer, partitions)):
            has_commit = committed.offset >= 0
            metadata = without_tag(committed.metadata or "")
            self._begin(
                Part(committed.topic, committed.partition),
                committed.offset if has_commit else None,
                metadata if has_commit else "",
            )

    def _patiently(self, what: str, ask: Callable[[], T]) -> T:
        """Return what `ask` returns once Kafka answers it; without that the partitions cannot be taken over.

        Raises:
            _NotTaken: They are not ours any more, or the program ends.
        """
        said_at_s = float("-inf")
        while not self._stopping():
            try:
                return ask()
            except KafkaException as error:
                if error.args[0].code() in _NOT_OURS:
                    break
                if time.monotonic() - said_at_s >= _SAY_EVERY_S:
                    _log.warning("waiting: %s are not known yet: %s", what, error.args[0].str())
                    said_at_s = time.monotonic()
            time.sleep(0.1)
        raise _NotTaken

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        parts = [Part(tp.topic, tp.partition) for tp in partitions]
        self._hooks.revoking(parts, time.monotonic() + REVOKE_DEADLINE_S)
        failpoints.hit("reader.in_revoke")
        self._settle()
        self._commit_at_once(parts)
        for part in parts:
            self._drop(part)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        parts = [Part(tp.topic, tp.partition) for tp in partitions]
        for part in parts:
            self._drop(part)
        self._hooks.lost(parts)


class _NotTaken(Exception):
    """An assignment came to nothing before it was taken over."""


def _tagged(offsets: Iterable[TopicPartition], tag: str) -> list[TopicPartition]:
    return [TopicPartition(tp.topic, tp.partition, tp.offset, (tp.metadata or "") + tag) for tp in offsets]


def _committed(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    return each_known(consumer.committed(partitions, timeout=_ANSWER_S) if partitions else [])


def _end_offsets(consumer: Consumer, asked: list[TopicPartition]) -> list[TopicPartition]:
    return each_known(consumer.offsets_for_times(asked, timeout=_ANSWER_S) if asked else [])


def each_known(found: list[TopicPartition]) -> list[TopicPartition]:
    """Return partitions as they are; raise KafkaException if what was asked of one of them is not known."""
    for tp in found:
        if tp.error is not None:
            raise KafkaException(tp.error)
    return found
