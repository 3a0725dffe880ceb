"""What delivery counts, read as whoever asks reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consumers.delivery.lanes import Lanes
from consumers.delivery.measures import Measures
from consumers.delivery.outcome import Answered, Failed, Outcome
from consumers.delivery.work import Work
from tocsin.deliveries import Decision, Delivery, Progress
from tocsin.kafka.reader import Record
from tocsin.telemetry import metrics
from tocsin.telemetry.meter import Labels, Meter, Spread
from tocsin.telemetry.metrics import Metric

DELIVERY = Delivery(
    "d",
    "acme",
    "wh_1",
    1,
    "governlayer",
    None,
    "e",
    "/s",
    "drift.alert",
    1_000,
    "application/json",
    (),
    b"{}",
)
NOW_MS = 3_500


def work(progress: Progress | None = None, endpoint: str = "wh_1") -> Work:
    record = Record("t", 0, 1, 1, b"k", b"v", [], 0)
    return Work(record, replace(DELIVERY, subscription_id=endpoint), progress or Progress(), "i", live=True)


def points(meter: Meter, metric: Metric) -> dict[Labels, float | Spread]:
    return dict(meter.read(metric).points)


@pytest.mark.parametrize(
    ("progress", "attempt"),
    [
        (Progress(), "first"),
        (Progress(attempt=2, step=2), "later"),
        (Progress(parked=3, step=3), "first"),
        (Progress(run="replay_1"), None),
        (Progress(test=True), None),
    ],
)
def test_latency_is_from_the_event_to_the_2xx_of_what_is_neither_replay_nor_test(
    progress: Progress, attempt: str | None
) -> None:
    meter = Meter("delivery")
    Measures(meter).decided(work(progress), Decision("delivered"), NOW_MS)
    found = points(meter, metrics.LATENCY)
    assert list(found) == ([("governlayer", attempt)] if attempt else [])
    assert all(isinstance(spread, Spread) and spread.total == 2.5 for spread in found.values())


def test_decisions_are_counted_by_verdict_and_fault_and_what_dies_by_reason() -> None:
    meter = Meter("delivery")
    measures = Measures(meter)
    for decision in (
        Decision("delivered"),
        Decision("retry", "1m", Progress(), fault="subscriber"),
        Decision("dead_letter", None, Progress(), "exhausted", "subscriber"),
        Decision("dead_letter", None, Progress(), "overloaded", "tocsin"),
        Decision("parked", "5s", Progress(), "endpoint at its limit", "subscriber"),
    ):
        measures.decided(work(), decision, NOW_MS)
    measures.decided(work(), Decision("parked", "5s", Progress(), "ours", "tocsin"), NOW_MS, outage=True)
    assert points(meter, metrics.ATTEMPTS) == {
        ("governlayer", "delivered", "none"): 1,
        ("governlayer", "retry", "subscriber"): 1,
        ("governlayer", "dead_letter", "subscriber"): 1,
        ("governlayer", "dead_letter", "tocsin"): 1,
        ("governlayer", "parked", "subscriber"): 1,
        ("governlayer", "parked", "tocsin"): 1,
    }
    assert points(meter, metrics.DEAD_LETTERS) == {
        ("governlayer", "exhausted", "subscriber"): 1,
        ("governlayer", "overloaded", "tocsin"): 1,
    }
    assert points(meter, metrics.PARKED) == {("pace",): 1, ("outage",): 1}


@pytest.mark.parametrize(
    ("outcome", "label", "failed"),
    [
        (Answered(204, (), b"", True, 0.5), "2xx", False),
        (Answered(503, (), b"", True, 0.5), "5xx", True),
        (Failed("timeout", "no answer in time", 0.5), "timeout", True),
    ],
)
def test_post_is_timed_by_its_outcome_and_a_failed_one_is_its_endpoint_s(
    outcome: Outcome, label: str, failed: bool
) -> None:
    meter = Meter("delivery")
    measures, lanes = Measures(meter), Lanes[Work](10)
    measures.watch_lanes(lanes)
    lanes.add(work(), 0.0)
    lanes.add(work(endpoint="wh_2"), 0.0)
    measures.posted(work(), outcome)
    (spread,) = points(meter, metrics.POST_DURATION).values()
    assert isinstance(spread, Spread)
    assert list(points(meter, metrics.POST_DURATION)) == [(label,)]
    assert (sum(spread.counts), spread.total, measures.ended) == (1, 0.5, 1)
    assert points(meter, metrics.ENDPOINT_FAILURES).get(("wh_1",), 0) == failed
    assert points(meter, metrics.ENDPOINT_WAITING) == {("wh_1",): 1, ("wh_2",): 1, ("other",): 0}
    assert points(meter, metrics.ENDPOINT_LIMIT) == {("wh_1",): 8, ("wh_2",): 8}
    assert points(meter, metrics.WAITING) == {(): 2}
