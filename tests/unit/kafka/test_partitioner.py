"""A key is in the partition where the producers put it."""

from __future__ import annotations

import pytest

from tocsin.kafka.partitioner import murmur2, partition


@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_hash_is_that_of_kafkas_own_client(data: bytes, hashed: int) -> None:
    """The values of Kafka's `UtilsTest.testMurmur2`."""
    assert murmur2(data) == hashed & 0xFFFFFFFF


def test_partition_is_never_negative() -> None:
    assert {partition(str(number).encode(), 7) for number in range(200)} == set(range(7))
