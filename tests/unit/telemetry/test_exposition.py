"""What `/metrics` answers, read back by the rules of the format."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tocsin.telemetry import exposition
from tocsin.telemetry.meter import Histogram, Meter
from tocsin.telemetry.metrics import Metric

COUNTED = Metric("a.thing", "counter", "{thing}", "Things\nin two lines.", ("program", "of"))
TIMED = Metric("a.time", "histogram", "s", "Times.", ("of",), bounds=(0.1, 1, 10))
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')


def read(text: str) -> dict[str, float]:
    """Return the samples of a text, each under its name and labels as they stand there."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            matched = SAMPLE.fullmatch(line)
            assert matched is not None, line
            found[line.rpartition(" ")[0]] = float(matched[3].replace("Inf", "inf"))
    return found


@given(st.text(max_size=20))
def test_label_can_hold_whatever_somebody_else_wrote(value: str) -> None:
    meter = Meter("router")
    meter.counter(COUNTED).add(value.replace("\r", ""), by=2)
    samples = [line for line in exposition.text(meter.collect()).split("\n") if not line.startswith("#")]
    assert len([line for line in samples if line]) == 1
    assert SAMPLE.fullmatch(samples[0])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_buckets_add_up_and_hold_what_was_recorded(values: list[float]) -> None:
    meter = Meter("router")
    histogram = meter.histogram(TIMED)
    for value in values:
        histogram.record(value, "x")
    found = read(exposition.text(meter.collect()))
    counts = [found[f'a_time_seconds_bucket{{of="x",le="{le}"}}'] for le in ("0.1", "1", "10", "+Inf")]
    assert counts == [sum(value <= bound for value in values) for bound in (0.1, 1, 10, float("inf"))]
    assert all(before <= after for before, after in pairwise(counts))
    assert found['a_time_seconds_count{of="x"}'] == len(values)
    assert abs(found['a_time_seconds_sum{of="x"}'] - sum(values)) < 1e-6


def test_each_metric_is_told_with_its_meaning_and_kind() -> None:
    meter = Meter("router")
    meter.counter(COUNTED).add("x", by=3)
    assert exposition.text(meter.collect()).splitlines() == [
        r"# HELP a_thing_total Things\nin two lines.",
        "# TYPE a_thing_total counter",
        'a_thing_total{program="router",of="x"} 3',
    ]


def test_metric_that_cannot_be_told_hides_no_other() -> None:
    def broken() -> dict[tuple[str, ...], float]:
        raise RuntimeError("gone")

    meter = Meter("router")
    meter.observe(COUNTED, broken)
    meter.histogram(TIMED).record(1, "x")
    assert read(exposition.text(meter.collect()))['a_time_seconds_count{of="x"}'] == 1


def test_value_at_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (1.0, 1.5, 2.0, 2.5):
        histogram.record(value)
    assert histogram.read()[()].counts == (1, 2, 1)
