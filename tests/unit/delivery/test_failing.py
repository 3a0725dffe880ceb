"""The endpoints that are told of by name: the worst, never more than a few, and sums stay right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.delivery import failing
from consumers.delivery.failing import WINDOW_S, Failures, named, together
from tocsin.telemetry.metrics import OTHER

counts = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(0, 50), max_size=30)


@given(counts, counts, st.integers(2, 10))
def test_worst_are_named_within_the_bound_and_all_are_counted(
    failures: dict[str, int], waiting: dict[str, int], most: int
) -> None:
    names = named(failures, waiting, most)
    assert len(names) <= most
    for values in (failures, waiting):
        series = together(values, names)
        assert len(series) <= most + 1
        assert sum(series.values()) == sum(values.values())
    if failures:
        assert max(failures.values()) == max(
            (failures[name] for name in names if name in failures), default=0
        )


def test_endpoint_that_fails_the_most_and_one_that_waits_the_most_are_both_named() -> None:
    failures = {f"f{n}": n for n in range(1, 100)}
    waiting = {f"w{n}": n for n in range(100)}
    names = named(failures, waiting, 4)
    assert names == {"f99", "f98", "w99", "w98"}
    assert together(failures, names) == {("f99",): 99, ("f98",): 98, (OTHER,): sum(range(1, 98))}


def test_failures_are_forgotten_after_five_to_ten_minutes() -> None:
    failures = Failures(0.0)
    failures.note("a", 1.0)
    failures.note("b", WINDOW_S + 1)
    assert failures.counts(WINDOW_S + 2) == {"a": 1, "b": 1}
    failures.note("b", 2 * WINDOW_S + 2)
    assert failures.counts(2 * WINDOW_S + 3) == {"b": 2}
    assert failures.counts(5 * WINDOW_S) == {}


def test_memory_of_failures_is_bounded_whoever_fails() -> None:
    failures = Failures(0.0)
    for number in range(failing.REMEMBERED_MOST + 50):
        failures.note(f"wh_{number}", 1.0)
    found = failures.counts(1.0)
    assert len(found) == failing.REMEMBERED_MOST + 1
    assert found[OTHER] == 50
