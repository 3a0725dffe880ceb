"""What is shown of changes, and of bytes that nobody could read."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.cli import audit, quarantine


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {}, ""),
        ({"active": True}, {"active": False}, "active: true → false"),
        ({}, {"url": "https://h/"}, "+url: https://h/"),
        ({"url": "https://h/"}, {}, "-url: https://h/"),
        ({"a": 1}, {"a": None, "b": ["x"]}, 'a: 1 → null, +b: ["x"]'),
    ],
)
def test_change_is_told_in_one_line(before: dict[str, Any], after: dict[str, Any], told: str) -> None:
    assert audit.change(before, after) == told


def test_long_value_is_cut() -> None:
    assert len(audit.change({}, {"d": "x" * 200})) < 70


def test_bytes_are_dumped_by_sixteen_with_their_text() -> None:
    lines = list(quarantine.dump(bytes(range(0x1E, 0x30))))
    assert lines == [
        "00000000  1e 1f 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d  .. !\"#$%&'()*+,-",
        "00000010  2e 2f                                            ./",
    ]


def test_nothing_is_dumped_of_nothing() -> None:
    assert list(quarantine.dump(b"")) == []
