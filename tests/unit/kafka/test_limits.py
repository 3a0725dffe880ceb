"""How full a partition is: by itself, and by its part in what all partitions hold together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kafka.reader import Limits

LIMITS = Limits(records=1_000, size_bytes=1 << 20, total_records=2_000)


@pytest.mark.parametrize(
    ("records", "size_bytes", "total", "fill"),
    [
        (0, 0, 0, 0.0),
        (500, 0, 500, 0.5),
        (10, 1 << 20, 10, 1.0),
        (1_000, 0, 1_000, 1.0),
        (500, 0, 2_000, 1.0),
        (250, 0, 2_000, 0.5),
        (10, 0, 2_000, 0.02),
    ],
)
def test_fill_is_that_of_the_tightest_limit(records: int, size_bytes: int, total: int, fill: float) -> None:
    assert LIMITS.fill(records, size_bytes, total, parts=4) == pytest.approx(fill)


def test_total_does_not_count_unless_it_is_set() -> None:
    assert Limits(records=1_000).fill(10, 0, 10_000_000, parts=4) == pytest.approx(0.01)


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=30))
def test_who_goes_on_reading_when_the_total_is_reached_holds_less_than_a_share(held: list[int]) -> None:
    """So all together can hold no more than twice the total, however work is spread."""
    total = sum(held)
    if total >= LIMITS.total_records:
        going_on = [records for records in held if LIMITS.fill(records, 0, total, len(held)) < 1]
        assert sum(going_on) <= LIMITS.total_records
        assert len(going_on) < len(held)
