"""Globs over event names."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.patterns import matches, spells, wanted

TYPES = ("drift.alert", "drift.resolved", "driftless", "scan.completed", "scan.failed")


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["drift.alert"], ["drift.alert"]),
        (["drift.*"], ["drift.alert", "drift.resolved"]),
        (["drift*"], ["drift.alert", "drift.resolved", "driftless"]),
        (["*.failed", "driftless"], ["driftless", "scan.failed"]),
        (["*"], list(TYPES)),
        (["d*t.*t"], ["drift.alert"]),
        (["drift.aler"], []),
        (["drift?alert"], []),
        (["drift.[ar]*"], []),
        (["drift+alert"], []),
        (["DRIFT.ALERT"], []),
        (["drift.alert\n"], []),
        ([""], []),
        ([], []),
    ],
)
def test_patterns_name_event_types(patterns: list[str], found: list[str]) -> None:
    """A star is any run of characters, dots too; everything else is itself."""
    assert wanted(patterns, TYPES) == found


@given(st.lists(st.text("ab.*", max_size=6), max_size=4), st.lists(st.text("ab.", min_size=1, max_size=6)))
def test_patterns_agree_with_the_shell_where_both_know_only_stars(
    patterns: list[str], known: list[str]
) -> None:
    expected = [name for name in known if any(fnmatchcase(name, pattern) for pattern in patterns)]
    assert wanted(patterns, known) == expected


@given(pattern=st.text("ab.*", max_size=8), name=st.text("ab.", max_size=8))
def test_glob_matches_as_the_regular_expression_would(pattern: str, name: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert matches(pattern, name) == (re.fullmatch(expression, name) is not None)


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("endpoint.disabled", True),
        ("endpoint.*", True),
        ("endpoint.dis*", True),
        ("endpoint.enabled", False),
        ("*", False),
        ("endpoint*", False),
        ("*.disabled", False),
        ("e*", False),
    ],
)
def test_notice_is_named_by_those_alone_who_spell_its_family(pattern: str, named: bool) -> None:
    """Who asks for everything knows the documented events, and gets those."""
    assert spells(pattern, "endpoint.disabled") == named
    assert wanted([pattern], TYPES, ["endpoint.disabled"]) == [
        *wanted([pattern], TYPES),
        *["endpoint.disabled"] * named,
    ]
