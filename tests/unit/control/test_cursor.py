"""Cursors of a listing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from control import cursor

_POSITIONS = st.tuples(st.integers(0, 10**13), st.from_regex(r"\A[A-Za-z0-9._-]{1,64}\Z"))


@given(organization=st.text(max_size=20), position=_POSITIONS)
def test_cursor_leads_back_to_its_position(organization: str, position: cursor.Position) -> None:
    assert cursor.decode(organization, "things", cursor.encode(organization, "things", position)) == position


@given(position=_POSITIONS)
def test_cursor_is_none_of_another_organization_or_listing(position: cursor.Position) -> None:
    made = cursor.encode("acme", "things", position)
    assert cursor.decode("rival", "things", made) is None
    assert cursor.decode("acme", "others", made) is None


@given(st.text(max_size=80))
def test_nonsense_is_no_cursor(text: str) -> None:
    assert cursor.decode("acme", "things", text) is None
