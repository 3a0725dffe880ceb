"""How deep JSON is."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tocsin.http.bodies import depth

_LEAVES = st.none() | st.booleans() | st.integers() | st.text('[]{}"\\a')
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('{"\\'), inner, max_size=3)
)


def _nesting(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_nesting, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_nesting, value), default=0)
    return 0


@given(_VALUES)
def test_depth_is_what_parsing_would_find(value: Any) -> None:
    assert depth(json.dumps(value).encode()) == _nesting(value)


def test_depth_of_a_flood_takes_no_time() -> None:
    assert depth(b"[" * 262_144) == 262_144
    assert depth(b'"' + b"\\" * 262_144) == 0
