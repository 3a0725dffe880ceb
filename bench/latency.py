"""How long from publishing to receipt: at a trickle, and at half of what the system takes.

The limit at a trickle is two hops through Kafka and one POST (`bench.chain`), measured in the same run.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from bench import child, end_to_end, publishing
from bench.goal import Figure
from bench.target import Summary, Target, target
from bench.world import Measure, World
from tests.harness.installation import Installation

TITLE: Final = "Latency, publish → receipt"
FIGURES: Final[Sequence[Figure]] = (
    Figure("limit_p50_ms", "the limit at 50/s: two hops and a POST, p50", "ms"),
    Figure("limit_p99_ms", "the same, p99", "ms"),
    Figure("trickle_p50_ms", "at 50/s, p50", "ms"),
    Figure("trickle_p99_ms", "at 50/s, p99", "ms"),
    Figure("trickle_p50_ratio", "p50, ratio to the limit", "", "<= 2", "<= 1.5"),
    Figure("trickle_p99_ratio", "p99, ratio to the limit", "", "<= 2", "<= 1.5"),
    Figure("half_per_second", "half of the maximum", "/s"),
    Figure("half_p50_ms", "at half of the maximum, p50", "ms"),
    Figure("half_p99_ms", "at half of the maximum, p99", "ms"),
)
TRICKLE_PER_SECOND: Final = 50.0
TRICKLE_S: Final = 20.0
HALF_S: Final = 10.0
SETTLED_AFTER_S: Final = 3.0
"""Connections and first metadata are not what is measured."""


@contextmanager
def prepared(world: World) -> Iterator[Measure]:
    """Start one of each program, and find out what half of the maximum is."""
    maximum = _maximum(world)
    with ExitStack() as open_:
        receiver = open_.enter_context(target())
        made, bare = (open_.enter_context(world.installed()) for _ in range(2))
        end_to_end.started(made, receiver, 1)

        def measure() -> dict[str, float]:
            trickle_s, half_s = world.seconds(TRICKLE_S), world.seconds(HALF_S)
            limit = _limit(bare, receiver, trickle_s)
            trickle = _latency(made, receiver, TRICKLE_PER_SECOND, trickle_s)
            half = _latency(made, receiver, maximum / 2, half_s)
            return {
                "limit_p50_ms": limit.p50_ms,
                "limit_p99_ms": limit.p99_ms,
                "trickle_p50_ms": trickle.p50_ms,
                "trickle_p99_ms": trickle.p99_ms,
                "trickle_p50_ratio": trickle.p50_ms / limit.p50_ms,
                "trickle_p99_ratio": trickle.p99_ms / limit.p99_ms,
                "half_per_second": maximum / 2,
                "half_p50_ms": half.p50_ms,
                "half_p99_ms": half.p99_ms,
            }

        yield measure


def _maximum(world: World) -> float:
    """Return how many deliveries a second one endpoint takes end to end, as measured in this run."""
    if "end_to_end" not in world.found:
        with end_to_end.prepared(world) as measure:
            world.found["end_to_end"] = [measure()]
    return statistics.median(run["one_per_second"] for run in world.found["end_to_end"])


def _limit(made: Installation, receiver: Target, seconds: float) -> Summary:
    topics, url, count = made.topics, f"{receiver.url}/bare/0", int(TRICKLE_PER_SECOND * seconds)
    arguments = (topics.deliveries, topics.redeliveries, url, count, TRICKLE_PER_SECOND)
    began_ms = child.told("bench.chain", *arguments, made=made)["began_ms"]
    return receiver.summary("/bare/", _settled(began_ms, seconds))


def _latency(made: Installation, receiver: Target, per_second: float, seconds: float) -> Summary:
    count, received = int(per_second * seconds), receiver.count().received
    published = publishing.publish(made, count, per_second)
    receiver.await_received(received + count, end_to_end.WITHIN_S)
    return receiver.summary("/ok/", _settled(published.began_ms, seconds))


def _settled(began_ms: float, seconds: float) -> float:
    return began_ms + 1000 * min(SETTLED_AFTER_S, seconds / 4)
