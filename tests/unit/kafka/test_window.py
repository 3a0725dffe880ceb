"""The progress window: what is committed, and what a new owner is told not to do again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tocsin.kafka.window import FULL_AT, METADATA_MAX_BYTES, Mark, Window, pack, unpack


def test_window_commits_lowest_unfinished_offset_when_later_ones_finish_first() -> None:
    window = Window()
    for offset in (10, 11, 12):
        assert window.receive(offset)
    window.finish(11)
    commit = window.committable()
    assert commit is not None
    assert commit.offset == 10
    assert unpack(commit.metadata) == (Mark(), [(1, 1)])


def test_window_answers_false_for_what_the_metadata_says_is_finished() -> None:
    window = Window()
    for offset in range(5):
        window.receive(offset)
    for offset in (1, 3):
        window.finish(offset)
    commit = window.committable()
    assert commit is not None
    successor = Window(commit.offset, commit.metadata)
    assert [successor.receive(offset) for offset in range(5)] == [True, False, True, False, True]


def test_window_counts_holes_in_the_log_as_finished() -> None:
    window = Window()
    for offset in (3, 7, 20):
        window.receive(offset)
    for offset in (3, 7, 20):
        window.finish(offset)
    commit = window.committable()
    assert commit is not None
    assert commit.offset == 21


@pytest.mark.parametrize("metadata", ["", "not base64!", "AAAA", "dG9jc2lu", "/////////////////w=="])
def test_window_starts_empty_when_metadata_is_not_a_windows(metadata: str) -> None:
    window = Window(5, metadata)
    assert window.receive(5)


def test_window_mark_moves_only_when_the_lowest_unfinished_offset_passes_it() -> None:
    window = Window(0, "")
    window.receive(0, Mark(100, 1))
    window.receive(1, Mark(200, 2))
    window.finish(1)
    assert window.mark == Mark(100, 1)
    window.finish(0)
    assert window.mark == Mark(200, 2)


def test_window_is_full_before_the_metadata_overflows_when_finished_ones_alternate() -> None:
    window = Window()
    offset = 0
    while window.fill() < FULL_AT:
        window.receive(offset)
        if offset % 2:
            window.finish(offset)
        offset += 1
    commit = window.committable()
    assert commit is not None
    assert len(commit.metadata) <= METADATA_MAX_BYTES * 0.78
    assert offset > 15_000


def test_window_stays_small_when_one_hangs_and_a_hundred_thousand_finish_behind_it() -> None:
    window = Window()
    for offset in range(100_000):
        window.receive(offset)
        if offset:
            window.finish(offset)
    commit = window.committable()
    assert commit is not None
    assert commit.offset == 0
    assert len(commit.metadata) < 64
    assert window.fill() < FULL_AT


runs_strategy = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=400)


@given(runs_strategy, st.integers(0, 1 << 40), st.integers(0, 1 << 42))
def test_pack_is_undone_by_unpack_and_keeps_to_the_brokers_limit(
    gaps: list[tuple[int, int]], position: int, time_ms: int
) -> None:
    runs, at = [], 0
    for gap, length in gaps:
        runs.append((at + gap, at + gap + length))
        at += gap + length + 1
    metadata = pack(Mark(position, time_ms), runs)
    assert len(metadata) <= METADATA_MAX_BYTES
    mark, found = unpack(metadata)
    assert mark == Mark(position, time_ms)
    assert _offsets(found) <= _offsets(runs)
    if len(metadata) < METADATA_MAX_BYTES - 16:
        assert _offsets(found) == _offsets(runs)


def _offsets(runs: list[tuple[int, int]]) -> set[int]:
    return {offset for first, last in runs for offset in range(first, last + 1)}


class WindowMachine(RuleBasedStateMachine):
    """A partition read by one owner after another, against a model that remembers everything.

    Laws: never committed past an unfinished offset; nothing finished at a clean stop is done again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log: list[int] = []
        self.done: set[int] = set()
        self.open: set[int] = set()
        self.window = Window()
        self.read_to = 0
        self.committed: tuple[int, str] | None = None
        self.done_at_commit: set[int] = set()

    @initialize(gaps=st.lists(st.integers(1, 4), min_size=1, max_size=60))
    def fill_log(self, gaps: list[int]) -> None:
        offset = 0
        for gap in gaps:
            offset += gap
            self.log.append(offset)

    @precondition(lambda self: self.read_to < len(self.log))
    @rule(count=st.integers(1, 10))
    def receive(self, count: int) -> None:
        for offset in self.log[self.read_to : self.read_to + count]:
            if self.window.receive(offset):
                self.open.add(offset)
            else:
                assert offset in self.done, "an unfinished offset was taken for a finished one"
        self.read_to = min(len(self.log), self.read_to + count)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.open)))
        self.open.remove(offset)
        self.done.add(offset)
        self.window.finish(offset)

    @rule()
    def commit(self) -> None:
        commit = self.window.committable()
        if commit is not None:
            self.committed = (commit.offset, commit.metadata)
            self.done_at_commit = set(self.done)

    @rule()
    def revoke_cleanly(self) -> None:
        self.commit()
        finished = set(self.done)
        self._take_over()
        redone = self._offered_again() & finished
        assert not redone, f"done again after a clean stop: {redone}"

    @rule()
    def crash(self) -> None:
        self._take_over()
        self.done = set(self.done_at_commit)  # the rest is forgotten, and will be done again
        redone = self._offered_again() & self.done_at_commit
        assert not redone, f"committed as finished, and done again: {redone}"

    @invariant()
    def nothing_unfinished_lies_below_the_commit(self) -> None:
        commit = self.window.committable()
        if commit is not None:
            assert all(offset in self.done for offset in self.log if offset < commit.offset)
            _, runs = unpack(commit.metadata)
            for first, last in runs:
                assert all(
                    offset in self.done
                    for offset in self.log
                    if commit.offset + first <= offset <= commit.offset + last
                )

    def _take_over(self) -> None:
        offset, metadata = self.committed if self.committed is not None else (None, "")
        self.window = Window(offset, metadata)
        self.read_to = next((i for i, at in enumerate(self.log) if at >= (offset or 0)), len(self.log))
        self.open = set()

    def _offered_again(self) -> set[int]:
        offset, metadata = self.committed if self.committed is not None else (None, "")
        probe = Window(offset, metadata)
        return {at for at in self.log[self.read_to :] if probe.receive(at)}


TestWindowMachine = WindowMachine.TestCase
TestWindowMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
