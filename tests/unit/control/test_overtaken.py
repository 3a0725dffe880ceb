"""What is known of records that came second."""

from __future__ import annotations

from control.overtaken import OTHERS_MEND_AFTER_S, REMEMBERED_S, Overtaken


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_second_record_is_known_by_its_offset_for_as_long_as_anybody_asks() -> None:
    clock = Clock()
    known = Overtaken(clock)
    known.note("wh_1", 7)
    known.settle("wh_1")
    assert (known.has(7), known.has(8)) == (True, False)
    clock.now_s = REMEMBERED_S + 1
    known.note("wh_2", 9)
    assert (known.has(7), known.has(9)) == (False, True)


def test_others_mend_what_its_writer_did_not_get_to() -> None:
    clock = Clock()
    known = Overtaken(clock)
    known.note("wh_1", 7)
    known.note("wh_2", 8)
    known.settle("wh_2")
    assert known.due() == []
    clock.now_s = OTHERS_MEND_AFTER_S
    assert known.due() == ["wh_1"]
    assert known.due() == []
    clock.now_s = 2 * OTHERS_MEND_AFTER_S
    assert known.due() == ["wh_1"]
    known.settle("wh_1")
    clock.now_s = 3 * OTHERS_MEND_AFTER_S
    assert known.due() == []
