"""A purge means what its selection meant when it was done, and nothing that came later."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.samples import LETTER
from tocsin import purges
from tocsin.jobs import Job, Kind, ReplayProgress, ReplayRequest, State
from tocsin.purges import Purge
from tocsin.selection import Selection


@pytest.mark.parametrize(
    ("offset", "selection", "struck_off"),
    [
        (4, Selection(reason="exhausted"), True),
        (5, Selection(reason="exhausted"), False),
        (4, Selection(reason="gone"), False),
    ],
)
def test_letter_is_struck_off_if_it_matched_when_the_purge_was_done(
    offset: int, selection: Selection, struck_off: bool
) -> None:
    purge = Purge("p", selection, {0: 5})
    assert purges.purged(replace(LETTER, offset=offset), [purge]) is struck_off


def test_letter_of_a_partition_that_was_not_there_yet_stays() -> None:
    assert not purges.purged(replace(LETTER, partition=9), [Purge("p", Selection(), {0: 5})])


@pytest.mark.parametrize(
    ("kind", "state", "counts"),
    [
        ("purge", "done", True),
        ("purge", "running", False),
        ("purge", "cancelled", False),
        ("replay", "done", False),
    ],
)
def test_only_a_purge_that_is_done_counts(kind: Kind, state: State, counts: bool) -> None:
    request = ReplayRequest("p", "me", 0, Selection(), kind=kind)
    job = Job(request, ReplayProgress("p", state, 1, {"0": 5}, {}, 0))
    assert purges.done([job, Job(request)]) == ([Purge("p", Selection(), {0: 5})] if counts else [])
