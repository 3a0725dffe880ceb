"""Which partitions one commit is about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kafka.reader import RUNS_A_COMMIT, Part, whose_turn

A, B, C = Part("t", 0), Part("t", 1), Part("t", 2)


@pytest.mark.parametrize(
    ("waiting", "turn"),
    [
        ([], []),
        ([(3.0, A, 10), (1.0, B, 10), (2.0, C, 10)], [B, C, A]),
        ([(1.0, A, 300), (2.0, B, 300), (3.0, C, 1)], [A]),  # nobody overtakes who waited longer
        ([(1.0, A, 9_000), (2.0, B, 1)], [A]),  # one at least, or it would never be committed
        ([(1.0, A, 0), (2.0, B, RUNS_A_COMMIT), (3.0, C, 0)], [A, B, C]),
    ],
)
def test_who_waited_longest_comes_first_while_the_runs_are_few(
    waiting: list[tuple[float, Part, int]], turn: list[Part]
) -> None:
    assert whose_turn(waiting) == turn


@given(st.lists(st.integers(0, 3 * RUNS_A_COMMIT), min_size=1, max_size=24))
def test_every_partition_has_had_its_turn_after_as_many_commits_as_there_are_partitions(
    runs: list[int],
) -> None:
    said = dict.fromkeys((Part("t", number) for number in range(len(runs))), 0.0)
    seen: set[Part] = set()
    for now in range(1, len(runs) + 1):
        turn = whose_turn((said[part], part, runs[part.partition]) for part in said)
        assert len(turn) == 1 or sum(runs[part.partition] for part in turn) <= RUNS_A_COMMIT
        seen.update(turn)
        said.update(dict.fromkeys(turn, float(now)))
    assert seen == said.keys()
