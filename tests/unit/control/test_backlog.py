"""What waits, counted from a group's commits."""

from __future__ import annotations

import pytest

from control.backlog import Progress, committed, count
from tocsin.kafka.lease import Lease
from tocsin.kafka.window import Mark, pack


@pytest.mark.parametrize("tag", ["", Lease(10.0).begin(0.0)])
def test_what_is_finished_above_the_offset_does_not_wait(tag: str) -> None:
    metadata = pack(Mark(5, 7), [(1, 3), (6, 6)])
    assert committed(100, metadata + tag) == Progress(100, finished=4)
    assert count(110, committed(100, metadata + tag)) == 6


def test_commit_without_a_window_says_where_its_group_is() -> None:
    assert committed(100, "") == committed(100, "somebody else's") == Progress(100)
