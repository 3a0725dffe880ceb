"""A revoke waits for what its own partitions have open, and for nothing else."""

from __future__ import annotations

import time

from tocsin.kafka.inflight import InFlight
from tocsin.kafka.reader import Part, Record

ONE, TWO = Part("t", 1), Part("t", 2)


def record(part: Part, epoch: int = 1) -> Record:
    return Record(part.topic, part.partition, 0, epoch, b"k", b"v", [], 0)


def drained(in_flight: InFlight, *parts: Part) -> bool:
    """Return whether nothing of the partitions is open now."""
    return in_flight.drain(parts, time.monotonic(), time.sleep)


def test_partition_is_drained_when_as_many_ended_as_began() -> None:
    in_flight = InFlight()
    for _ in range(3):
        in_flight.begin(record(ONE))
    for _ in range(3):
        assert not drained(in_flight, ONE)
        in_flight.end(record(ONE))
    assert drained(in_flight, ONE)
    assert len(in_flight) == 0


def test_other_partitions_hold_nobody_up() -> None:
    in_flight = InFlight()
    in_flight.begin(record(ONE))
    assert drained(in_flight, TWO)
    assert not drained(in_flight, ONE, TWO)


def test_waiting_ends_with_the_last_end() -> None:
    """What ends a write happens while it is waited for: on this thread, or on the writer's."""
    in_flight, waits = InFlight(), []
    for _ in range(2):
        in_flight.begin(record(ONE))

    def wait(timeout_s: float) -> None:
        waits.append(timeout_s)
        in_flight.end(record(ONE))

    assert in_flight.drain([ONE], time.monotonic() + 10, wait)
    assert len(waits) == 2


def test_end_under_a_forgotten_assignment_counts_for_no_later_one() -> None:
    """The partition came back: what an earlier assignment left open must not pass for the new one's."""
    in_flight = InFlight()
    in_flight.begin(record(ONE, epoch=1))
    in_flight.forget([ONE])
    in_flight.begin(record(ONE, epoch=2))
    in_flight.end(record(ONE, epoch=1))
    assert len(in_flight) == 1
    assert not drained(in_flight, ONE)
    in_flight.end(record(ONE, epoch=2))
    assert drained(in_flight, ONE)
