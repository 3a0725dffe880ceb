"""An audit entry tells what changed, and is read back as it was written."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import audit
from tocsin.audit import Entry

STATES = st.dictionaries(
    st.sampled_from("abcd"), st.none() | st.integers(0, 2) | st.lists(st.text(), max_size=2)
)


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({}, {}, ({}, {})),
        ({}, {"a": 1}, ({}, {"a": 1})),
        ({"a": 1}, {}, ({"a": 1}, {})),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ({"b": 2}, {"b": 3})),
        ({"a": None}, {}, ({"a": None}, {})),
    ],
)
def test_only_what_differs_is_told(
    before: dict[str, Any], after: dict[str, Any], changed: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    assert audit.changes(before, after) == changed


@given(STATES, STATES)
def test_what_is_told_turns_the_one_state_into_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    was, is_now = audit.changes(before, after)
    rest = {name: value for name, value in before.items() if name not in was}
    assert rest | is_now == after


@given(STATES, STATES, st.text(), st.text())
def test_entry_is_read_back_as_it_was_written(
    before: dict[str, Any], after: dict[str, Any], why: str, object_: str
) -> None:
    entry = Entry(uuid.uuid4(), 1, "cli:ann", "key.revoked", object_, "acme", why, before, after)
    assert audit.from_record(audit.to_record(entry)) == entry
