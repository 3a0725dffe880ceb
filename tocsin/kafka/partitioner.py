"""Which partition a key is in: what the producers' `murmur2_random` chooses, for whoever reads one key's records alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_R: Final = 24
_MASK: Final = 0xFFFFFFFF


def partition(key: bytes, count: int) -> int:
    """Return the partition of a key among `count`; as Kafka's own default partitioner."""
    return (murmur2(key) & 0x7FFFFFFF) % count


def homes(key: bytes, count: int, earlier: Iterable[int] = ()) -> set[int]:
    """Return the partitions in which records of a key lie.

    Args:
        count: How many partitions the topic has.
        earlier: How many it had when some of its records were written.
    """
    return {partition(key, number) for number in (count, *earlier) if number <= count}


def murmur2(data: bytes) -> int:
    """Return the 32-bit MurmurHash2 of bytes, with Kafka's seed; unsigned."""
    whole = len(data) & ~3
    state = (_SEED ^ len(data)) & _MASK
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _M & _MASK
        word = (word ^ word >> _R) * _M & _MASK
        state = (state * _M & _MASK) ^ word
    if rest := data[whole:]:
        state = (state ^ int.from_bytes(rest, "little")) * _M & _MASK
    state = (state ^ state >> 13) * _M & _MASK
    return state ^ state >> 15
