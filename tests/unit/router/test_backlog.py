"""Publishers take turns, and one that must wait holds up nobody else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.router.backlog import Backlog
from tocsin.kafka.reader import Part, Record


def record(key: str, offset: int, partition: int = 0) -> Record:
    return Record("events", partition, offset, 1, key.encode(), b"", [], 0)


def filled(*records: Record) -> Backlog:
    backlog = Backlog()
    for each in records:
        backlog.add(each)
    return backlog


def taken(backlog: Backlog, now_s: float = 0.0) -> list[str]:
    """Take all there is and return it as key and offset."""
    out = []
    while (each := backlog.take(now_s)) is not None:
        out.append(f"{(each.key or b'').decode()}{each.offset}")
    return out


def test_publishers_take_turns() -> None:
    backlog = filled(*(record("a", n) for n in range(4)), record("b", 4), record("b", 5), record("c", 6))
    assert taken(backlog) == ["a0", "b4", "c6", "a1", "b5", "a2", "a3"]


def test_same_publisher_in_two_partitions_has_a_turn_in_each() -> None:
    backlog = filled(record("a", 0), record("a", 1), record("a", 0, partition=1))
    assert taken(backlog) == ["a0", "a0", "a1"]


@given(st.lists(st.sampled_from("abc")))
def test_everything_comes_once_and_each_publisher_in_order(keys: list[str]) -> None:
    backlog = filled(*(record(key, offset) for offset, key in enumerate(keys)))
    assert len(backlog) == len(keys)
    out = taken(backlog)
    assert sorted(out) == sorted(f"{key}{offset}" for offset, key in enumerate(keys))
    for key in "abc":
        offsets = [int(each[1:]) for each in out if each[0] == key]
        assert offsets == sorted(offsets)
    assert len(backlog) == 0


def test_held_record_comes_first_of_its_publisher_when_the_time_is_over() -> None:
    backlog = filled(record("a", 0), record("a", 1), record("b", 2))
    first = backlog.take(0.0)
    assert first is not None
    backlog.hold(first, until_s=5.0)
    backlog.add(record("a", 3))
    assert taken(backlog, now_s=4.9) == ["b2"]
    assert not backlog.ready(4.9)
    assert backlog.ready(5.0)
    assert taken(backlog, now_s=5.0) == ["a0", "a1", "a3"]


def test_only_record_of_a_publisher_can_be_held() -> None:
    backlog = filled(record("a", 0))
    first = backlog.take(0.0)
    assert first is not None
    backlog.hold(first, until_s=1.0)
    assert (taken(backlog, 0.5), taken(backlog, 1.0)) == ([], ["a0"])


def test_dropped_partitions_are_forgotten_held_or_not() -> None:
    backlog = filled(record("a", 0), record("a", 1), record("b", 0, partition=1), record("c", 2))
    first = backlog.take(0.0)
    assert first is not None
    backlog.hold(first, until_s=1.0)
    backlog.drop({Part("events", 0)})
    assert taken(backlog, now_s=2.0) == ["b0"]
    assert len(backlog) == 0
