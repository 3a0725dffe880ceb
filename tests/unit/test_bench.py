"""What benchmarks found is judged, kept and shown as it is."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import report, results, tables
from bench.__main__ import BENCHMARKS
from bench.goal import Figure, Goal


@pytest.mark.parametrize(
    ("text", "shown", "met", "missed"),
    [
        (">= 0.6", "≥ 0.6", [0.6, 7], [0.599]),
        ("<= 300", "≤ 300", [300, -1], [300.1]),
        ("< 1.5", "< 1.5", [1.49], [1.5]),
        ("> 0", "> 0", [0.1], [0]),
        ("0.9 to 1.1", "0.9 to 1.1", [0.9, 1, 1.1], [0.89, 1.11]),
        (">= 20,000", "≥ 20,000", [20_000], [19_999]),
    ],
)
def test_goal_is_met_within_its_range(text: str, shown: str, met: list[float], missed: list[float]) -> None:
    goal = Goal.of(text)
    assert goal.text == shown
    assert {goal.verdict(value) for value in met} == {"met"}
    assert {goal.verdict(value) for value in missed} == {"missed"}


def test_text_that_is_no_goal_is_refused() -> None:
    with pytest.raises(ValueError, match="not a goal"):
        Goal.of("about 3")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_goal_is_judged_by_the_median_of_the_runs(values: list[float]) -> None:
    runs = [{"rate": value} for value in values]
    found = results.section(
        "t", [Figure("rate", "rate", goal=">= 0")], runs, datetime(2026, 1, 1, tzinfo=UTC)
    )
    figure = found["figures"]["rate"]
    assert figure["min"] <= figure["median"] <= figure["max"]
    assert figure["goal_is"] == ("met" if figure["median"] >= 0 else "missed")


@pytest.mark.parametrize(
    ("value", "text"),
    [(41_234.5, "41,234"), (130.25, "130.2"), (2.345, "2.35"), (0.0467, "0.047"), (8.0, "8")],
)
def test_number_has_as_many_digits_as_say_something(value: float, text: str) -> None:
    assert tables.number(value) == text


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_goal_of_a_benchmark_can_be_read(name: str) -> None:
    """A benchmark takes minutes; a goal that is misspelt must not be found out at its end."""
    figures = BENCHMARKS[name].FIGURES
    assert len({figure.name for figure in figures}) == len(figures)
    for figure in figures:
        for text in filter(None, (figure.goal, figure.aim)):
            Goal.of(text)


def test_page_shows_the_results_that_are_kept() -> None:
    """`python -m bench.report` writes them there."""
    page = report.PAGE.read_text()
    assert report.renewed(page, report.kept()) == page


QUOTED: Final = {
    "capacity.md": (
        "| router, CPU | {end_to_end.one_router_us:.0f} µs | {end_to_end.ten_router_us:.0f} µs |",
        "| delivery, CPU | {end_to_end.one_delivery_us:.0f} µs | {end_to_end.ten_delivery_us:.0f} µs |",
        "| ledger on SQLite, CPU | {end_to_end.one_ledger_us:.0f} µs | {end_to_end.ten_ledger_us:.0f} µs |",
        "| broker, CPU, one copy | {end_to_end.one_broker_us:.0f} µs | {end_to_end.ten_broker_us:.0f} µs |",
        "delay {delay.cpu_us:.0f} µs",
        "a router {routing.memory_mib:.0f} MiB for each 100,000 subscriptions and {routing.start_s:.0f} s to read",
        "delivery {memory.idle_mib:.0f} MiB, with a million waiting {memory.rss_mib:.0f} MiB",
        "and {ingest.publisher_cpu_us:.0f} µs each",
    ),
    "comparison.md": (
        "{end_to_end.one_per_second_min:,.0f} to {end_to_end.one_per_second_max:,.0f}",
        "{end_to_end.ten_per_second_min:,.0f} to {end_to_end.ten_per_second_max:,.0f}",
        "| {isolation.well_p50_ms:.1f} ms, {isolation.hangs_p50_ms:.1f} ms |",
        "| {isolation.well_p99_ms:.0f} ms, {isolation.hangs_p99_ms:.0f} ms |",
        "| {latency.trickle_p50_ms:.1f} / {latency.trickle_p99_ms:.1f} ms |",
    ),
}
"""What other pages say of the results."""


@pytest.mark.parametrize(("page", "quote"), [(page, quote) for page in QUOTED for quote in QUOTED[page]])
def test_figures_that_another_page_names_are_those_that_are_kept(page: str, quote: str) -> None:
    found = {
        name: SimpleNamespace(
            **{figure: values["median"] for figure, values in section["figures"].items()},
            **{f"{figure}_min": values["min"] for figure, values in section["figures"].items()},
            **{f"{figure}_max": values["max"] for figure, values in section["figures"].items()},
        )
        for name, section in results.load()["benchmarks"].items()
    }
    text = " ".join((report.PAGE.with_name(page)).read_text().split())
    assert quote.format_map(found) in text
