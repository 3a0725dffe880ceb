"""What more partitions take: which topics grow, and where one key's records lie afterwards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ConfigurationError
from tocsin.kafka.growth import growth_of
from tocsin.kafka.partitioner import homes, partition


def test_topics_that_have_fewer_grow_and_the_others_are_left_alone() -> None:
    """A growth that was interrupted is repeated."""
    planned = growth_of({"a": 12, "b": 64, "c": 12}, 64)
    assert (planned.before, planned.earlier) == ({"a": 12, "c": 12}, [12])
    assert growth_of({"a": 64}, 64).before == {}


@pytest.mark.parametrize(
    ("sizes", "said"), [({"a": 12, "b": 65}, "b.*cannot take any away"), ({"a": 0}, "a.*create")]
)
def test_partitions_are_never_taken_away_nor_made_for_a_topic_that_is_missing(
    sizes: dict[str, int], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        growth_of(sizes, 64)


@given(st.binary(max_size=40), st.lists(st.integers(1, 64), max_size=3), st.integers(1, 64))
def test_records_are_looked_for_wherever_they_were_ever_written(
    key: bytes, earlier: list[int], count: int
) -> None:
    """But in no partition that there is not: a setting may be left over from another installation."""
    found = homes(key, count, earlier)
    assert found <= set(range(count))
    assert found >= {partition(key, number) for number in (count, *earlier) if number <= count}
    assert homes(key, count) == {partition(key, count)}
