"""The progress window of one partition: which offsets were received, which are finished, what may be committed.

Work finishes out of order; Kafka commits one offset. The window commits the lowest unfinished offset and puts the
finished ones above it into the commit's metadata, so that after a clean stop none of them is done again.

Invariants:
- Never is an offset at or above `committable()` finished and forgotten, never one below it unfinished.
- Offsets that the log does not hold (compaction leaves holes) count as finished.
- An offset that was finished before, says the metadata, is answered `False` by `receive`.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque
from dataclasses import dataclass
from typing import Final

from tocsin.kafka.lease import TAG_MAX_BYTES

METADATA_MAX_BYTES: Final = 4096
"""The broker's limit on a commit's metadata (`offset.metadata.max.bytes`)."""
FULL_AT: Final = 0.75
"""A partition whose metadata is this full takes no more: what is in flight may still fragment it."""

_RUNS, _BITS = b"r", b"b"


@dataclass(frozen=True, slots=True)
class Commit:
    """What to commit for a partition: the lowest unfinished offset, and the metadata beside it."""

    offset: int
    metadata: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What a program wants remembered beside the finished offsets.

    Attributes:
        position: Offset in the same partition of the attempts topic; nothing before it concerns this window.
        time_ms: When that was so.
    """

    position: int = 0
    time_ms: int = 0


class Window:
    """The window of one partition.

    Args:
        start: The offset the partition is read from, as its last commit said; None when it has no commit.
        metadata: The metadata of that commit; anything that is not a window's counts as none.
    """

    def __init__(self, start: int | None = None, metadata: str = "") -> None:
        self._lowest = start
        self._expected = start
        self._unfinished = 0
        # Finished runs between the lowest unfinished and the expected offset, findable from either end.
        self._ends: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self._restored: deque[tuple[int, int]] = deque()
        self._marks: deque[tuple[int, Mark]] = deque()
        if start is not None and metadata:
            mark, runs = unpack(metadata)
            self._marks.append((start, mark))
            self._restored.extend((start + first, start + last) for first, last in runs)

    @property
    def expected(self) -> int | None:
        """The lowest offset that can be received next."""
        return self._expected

    @property
    def unfinished(self) -> int:
        """Number of offsets received and not finished."""
        return self._unfinished

    @property
    def runs(self) -> int:
        """Number of finished runs above the lowest unfinished offset: what `committable` takes time for."""
        return len(self._ends) + len(self._restored)

    @property
    def mark(self) -> Mark:
        """The mark that holds for everything from the lowest unfinished offset on."""
        return self._marks[0][1] if self._marks else Mark()

    def receive(self, offset: int, mark: Mark | None = None) -> bool:
        """Note a received offset; offsets arrive in ascending order.

        Args:
            offset: The offset.
            mark: A newer mark, if one may be used from this offset on.

        Returns:
            False if an earlier owner finished it, so that it must not be done again.
        """
        if self._expected is None:
            self._lowest = self._expected = offset
        if offset > self._expected:
            self._finished(self._expected, offset - 1)
        self._expected = offset + 1
        if mark is not None and (not self._marks or mark != self._marks[-1][1]):
            self._marks.append((offset, mark))
        while self._restored and self._restored[0][1] < offset:
            self._restored.popleft()
        if self._restored and self._restored[0][0] <= offset:
            self._finished(offset, offset)
            return False
        self._unfinished += 1
        return True

    def finish(self, offset: int) -> None:
        """Note that an offset for which `receive` returned True is finished; once each."""
        self._unfinished -= 1
        self._finished(offset, offset)

    def committable(self) -> Commit | None:
        """Return what may be committed now; None before the first record."""
        lowest = self._lowest
        if lowest is None:
            return None
        runs = sorted(self._ends.items()) + self._still_restored()
        return Commit(lowest, pack(self.mark, [(first - lowest, last - lowest) for first, last in runs]))

    def fill(self) -> float:
        """Return how full the metadata would be, 0 to 1; an upper estimate."""
        if self._lowest is None or self._expected is None:
            return 0.0
        span_bytes = (self._expected - self._lowest) / 8
        size = _HEAD_BYTES + min(_BYTES_PER_RUN * self.runs, span_bytes)
        return size / _RAW_MAX_BYTES

    def _still_restored(self) -> list[tuple[int, int]]:
        expected = self._expected or 0
        return [(max(first, expected), last) for first, last in self._restored if last >= expected]

    def _finished(self, first: int, last: int) -> None:
        """Add a finished run that overlaps no other, merged with its neighbours; advance if it is the lowest."""
        if first - 1 in self._starts:
            first = self._starts.pop(first - 1)
        if last + 1 in self._ends:
            neighbour = last + 1
            last = self._ends[neighbour]
            del self._ends[neighbour]
        if first == self._lowest:
            self._ends.pop(first, None)
            self._starts.pop(last, None)
            self._lowest = last + 1
            while len(self._marks) > 1 and self._marks[1][0] <= self._lowest:
                self._marks.popleft()
        else:
            self._ends[first] = last
            self._starts[last] = first


_RAW_MAX_BYTES: Final = (METADATA_MAX_BYTES - TAG_MAX_BYTES) * 3 // 4  # before base64
_HEAD_BYTES: Final = 20
_BYTES_PER_RUN: Final = 4  # two varints of up to 14 bits, the usual case
_RUN_MIN_BYTES: Final = 2
_ONE: Final = ord("1")


def pack(mark: Mark, runs: list[tuple[int, int]]) -> str:
    """Return metadata for finished runs, each (first, last) counted from the committed offset.

    Runs as gap-and-length varints or a bit set, whichever is smaller, in base64: metadata is text. What does not
    fit the broker's limit is left out from the far end: those few would be met again, and dropped by identity.
    """
    head = _varint(mark.position) + _varint(mark.time_ms)
    budget = _RAW_MAX_BYTES - len(head)
    body, kept = _pack_bits(runs, budget)
    # A commit is due every tenth of a second and on a thread that all others wait for: runs are written only if they
    # may be smaller, or hold what a bit set cannot.
    if _RUN_MIN_BYTES * len(runs) < len(body) or (runs and runs[-1][1] >= _bits_most(budget)):
        as_runs, kept_as_runs = _pack_runs(runs, budget)
        if (-kept_as_runs, len(as_runs)) < (-kept, len(body)):
            body = as_runs
    return base64.b64encode(head + body).decode()


def unpack(metadata: str) -> tuple[Mark, list[tuple[int, int]]]:
    """Return mark and finished runs of a commit's metadata; an empty answer for what is not a window's."""
    try:
        data = base64.b64decode(metadata, validate=True)
        position, at = _read_varint(data, 0)
        time_ms, at = _read_varint(data, at)
        kind, body = data[at : at + 1], data[at + 1 :]
        runs = _unpack_runs(body) if kind == _RUNS else _unpack_bits(body) if kind == _BITS else None
    except (binascii.Error, IndexError, ValueError):
        return Mark(), []
    return (Mark(position, time_ms), runs) if runs is not None else (Mark(), [])


def _pack_runs(runs: list[tuple[int, int]], budget: int) -> tuple[bytes, int]:
    out, at, kept = bytearray(_RUNS), 0, 0
    for first, last in runs:
        piece = _varint(first - at) + _varint(last - first)
        if len(out) + len(piece) > budget:
            break
        out += piece
        at, kept = last + 1, kept + last - first + 1
    return bytes(out), kept


def _unpack_runs(body: bytes) -> list[tuple[int, int]]:
    runs, at, offset = [], 0, 0
    while at < len(body):
        gap, at = _read_varint(body, at)
        length, at = _read_varint(body, at)
        runs.append((offset + gap, offset + gap + length))
        offset += gap + length + 1
    return runs


def _bits_most(budget: int) -> int:
    return 8 * (budget - len(_BITS))


def _pack_bits(runs: list[tuple[int, int]], budget: int) -> tuple[bytes, int]:
    span = min(runs[-1][1] + 1, _bits_most(budget)) if runs else 0
    digits = bytearray(b"0") * span
    for first, last in runs:
        if first == last < span:
            digits[first] = _ONE
        elif first < span:
            length = min(last + 1, span) - first
            digits[first : first + length] = b"1" * length
        else:
            break
    kept = digits.count(_ONE)
    digits.reverse()  # the least significant digit is the last one
    bits = int(digits, 2) if digits else 0
    return _BITS + bits.to_bytes((span + 7) // 8, "little"), kept


def _unpack_bits(body: bytes) -> list[tuple[int, int]]:
    bits, runs, offset = int.from_bytes(body, "little"), [], 0
    while bits:
        zeros = (bits & -bits).bit_length() - 1
        bits >>= zeros
        ones = (~bits & (bits + 1)).bit_length() - 1
        runs.append((offset + zeros, offset + zeros + ones - 1))
        bits >>= ones
        offset += zeros + ones
    return runs


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number longer than 63 bits")
