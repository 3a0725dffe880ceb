"""An identity is decided once, whoever meets it again."""

from __future__ import annotations

from consumers.delivery.memory import Known, Memory
from tocsin.deliveries import Source

HERE, COPY = Source("t.deliveries", 3, 10), Source("t.redeliveries", 3, 10)


def test_same_record_met_again_gives_its_decision_back() -> None:
    memory = Memory()
    memory.add("d:0:0", HERE, b"decision")
    assert memory.find("d:0:0", HERE) == Known(True, b"decision")


def test_copy_of_a_decided_record_is_known_as_a_copy() -> None:
    memory = Memory()
    memory.add("d:0:0", HERE, b"decision")
    assert memory.find("d:0:0", COPY) == Known(False, b"decision")


def test_first_decision_about_an_identity_counts() -> None:
    memory = Memory()
    memory.add("d:0:0", HERE, b"first")
    memory.add("d:0:0", COPY, b"second")
    assert memory.find("d:0:0", HERE) == Known(True, b"first")


def test_other_step_or_run_is_another_identity() -> None:
    memory = Memory()
    memory.add("d:0:0", HERE, b"")
    assert memory.find("d:0:1", HERE) is None
    assert memory.find("d:job:0", HERE) is None


def test_oldest_is_forgotten_when_full() -> None:
    memory = Memory(most=2)
    for number in range(3):
        memory.add(f"d{number}:0:0", HERE, b"")
    assert len(memory) == 2
    assert memory.find("d0:0:0", HERE) is None
