"""What 199 healthy endpoints feel of bad neighbours.

Three windows at fixed rates on one delivery process: half of the traffic to 199 endpoints and nothing else; the other
half to one more endpoint that is healthy too; the same traffic while that one hangs for 30 s at every POST. A fourth on
a process of its own, for what the third leaves waiting would go on in it: as much traffic in all, evenly over the 199 and
50 hostile ones, a fifth of all, which drip, flood, reset and break off. Latency is from handing the record to the producer
to its receipt.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bench import usage, workload
from bench.goal import Figure
from bench.target import Summary, Target, target
from bench.usage import Usage
from bench.world import Measure, World, pid_of
from tests.harness.installation import Installation
from tocsin.kafka.writer import Outgoing, Writer
from tocsin.subscriptions import Subscription

TITLE: Final = "Isolation: 199 healthy endpoints at 500/s, and their neighbours"
FIGURES: Final[Sequence[Figure]] = (
    Figure("alone_p50_ms", "no neighbour: p50", "ms"),
    Figure("alone_p99_ms", "p99", "ms"),
    Figure("well_p50_ms", "one more endpoint at 500/s, which is well: p50", "ms"),
    Figure("well_p95_ms", "p95", "ms"),
    Figure("well_p99_ms", "p99", "ms"),
    Figure("well_rss_mib", "memory of delivery", "MiB"),
    Figure("hangs_p50_ms", "the same one hangs: p50", "ms"),
    Figure("hangs_p99_ms", "p99", "ms"),
    Figure("hangs_max_ms", "most", "ms"),
    Figure("p99_ratio", "p99, ratio to when it is well", "", "< 1.5"),
    Figure("throughput_ratio", "throughput, ratio to when it is well", "", "0.9 to 1.1"),
    Figure("hanging_posts_open", "POSTs to it open at once", ""),
    Figure("parked", "its deliveries that were parked"),
    Figure("hangs_rss_mib", "memory of delivery", "MiB"),
    Figure("hangs_sockets", "sockets of delivery"),
    Figure("hangs_cpus", "CPUs of delivery"),
    Figure("hostile_p50_ms", "a fifth of all endpoints hostile: p50", "ms"),
    Figure("hostile_p95_ms", "p95", "ms"),
    Figure("hostile_p99_ms", "p99", "ms"),
    Figure("hostile_p95_ratio", "p95, ratio to when all are well", "", "< 1.2"),
    Figure("hostile_throughput_ratio", "throughput, ratio to when all are well", "", "0.9 to 1.1"),
    Figure("hostile_posts", "POSTs to hostile endpoints"),
    Figure("hostile_rss_growth_mib", "memory of delivery, how it grew", "MiB"),
    Figure("hostile_sockets", "sockets of delivery"),
    Figure("hostile_cpus", "CPUs of delivery"),
)
HEALTHY: Final = 199
HOSTILE: Final = 50
"""A fifth of all endpoints; the receiver does another mischief for each in turn."""
PER_SECOND: Final = 1_000.0
WARM_UP_S: Final = 8.0
HANG_WARM_UP_S: Final = 20.0
"""Long enough that the window of the hanging endpoint's partition overflows before or in the measured window."""
WINDOW_S: Final = 30.0


@contextmanager
def prepared(world: World) -> Iterator[Measure]:
    """Prepare nothing: what one window leaves waiting is in the way of the next."""

    def measure() -> dict[str, float]:
        seconds = world.seconds(WINDOW_S)
        with world.installed() as made, target() as receiver:
            figures = one_hangs(made, receiver, seconds)
        with world.installed() as made, target() as receiver:
            return figures | a_fifth_hostile(made, receiver, seconds, figures)

    yield measure


@dataclass(frozen=True, slots=True)
class Window:
    """What one window showed of the healthy endpoints, and of the delivery process.

    Attributes:
        offered: Records a second for healthy endpoints.
    """

    healthy: Summary
    neighbour: Summary
    readings: list[Usage]
    offered: float
    seconds: float

    @property
    def throughput(self) -> float:
        """Deliveries a second to healthy endpoints, as a share of what was offered."""
        return self.healthy.received / self.seconds / self.offered

    @property
    def rss_mib(self) -> float:
        return max(reading.rss_mib for reading in self.readings)

    @property
    def rss_growth_mib(self) -> float:
        return self.readings[-1].rss_mib - self.readings[0].rss_mib

    @property
    def sockets(self) -> int:
        return max(reading.sockets for reading in self.readings)

    @property
    def cpus(self) -> float:
        first, last = self.readings[0], self.readings[-1]
        return (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s)


class Bench:
    """One delivery process, and what is sent through it.

    Args:
        seconds: How long a window is measured.
    """

    def __init__(self, made: Installation, receiver: Target, seconds: float) -> None:
        self._receiver, self._seconds = receiver, seconds
        self.healthy = workload.subscribe(made, [f"{receiver.url}/ok/{number}" for number in range(HEALTHY)])
        made.start("delay")
        self._pid = pid_of(made.another("delivery"))
        self.make, self._writer = workload.Maker(made), Writer(made.settings)

    def close(self) -> None:
        """Let go of the producer."""
        self._writer.close()

    def window(
        self,
        source: Callable[[], Outgoing],
        rate: float,
        *,
        offered: float,
        warm_up_s: float = WARM_UP_S,
        prefix: str = "/well/",
    ) -> Window:
        """Measure one window.

        Args:
            source: Makes each record.
            rate: Records a second, in all.
            offered: Of these, those for healthy endpoints.
            prefix: Paths of the neighbours.
        """
        with usage.watching(self._pid) as watch:
            workload.steadily(self._writer, source, rate, min(warm_up_s, 2 * self._seconds))
            began_s = time.monotonic()
            from_ms = workload.steadily(self._writer, source, rate, self._seconds)
            time.sleep(1.0)
            until_ms = from_ms + self._seconds * 1000
            return Window(
                self._receiver.summary("/ok/", from_ms, until_ms),
                self._receiver.summary(prefix, from_ms, until_ms),
                watch.since(began_s),
                offered,
                self._seconds,
            )


def one_hangs(made: Installation, receiver: Target, seconds: float) -> dict[str, float]:
    """Measure the first three windows once."""
    well, hanging = workload.subscribe(made, [f"{receiver.url}/well/0", f"{receiver.url}/hang/0"])
    bench = Bench(made, receiver, seconds)
    turns, half = workload.in_turn(bench.healthy), PER_SECOND / 2

    def beside(neighbour: Subscription) -> Callable[[], Outgoing]:
        halves = itertools.cycle([itertools.repeat(neighbour), turns])
        return lambda: bench.make(next(next(halves)))

    alone = bench.window(lambda: bench.make(next(turns)), half, offered=half)
    well_ = bench.window(beside(well), PER_SECOND, offered=half)
    hangs = bench.window(beside(hanging), PER_SECOND, offered=half, warm_up_s=HANG_WARM_UP_S, prefix="/hang/")
    bench.close()
    return {
        "alone_p50_ms": alone.healthy.p50_ms,
        "alone_p99_ms": alone.healthy.p99_ms,
        "well_p50_ms": well_.healthy.p50_ms,
        "well_p95_ms": well_.healthy.p95_ms,
        "well_p99_ms": well_.healthy.p99_ms,
        "well_throughput": well_.throughput,
        "well_rss_mib": well_.rss_mib,
        "hangs_p50_ms": hangs.healthy.p50_ms,
        "hangs_p99_ms": hangs.healthy.p99_ms,
        "hangs_max_ms": hangs.healthy.max_ms,
        "p99_ratio": hangs.healthy.p99_ms / well_.healthy.p99_ms,
        "throughput_ratio": hangs.throughput / well_.throughput,
        "hanging_posts_open": hangs.neighbour.peak_open,
        "parked": workload.verdicts(made)["parked"],
        "hangs_rss_mib": hangs.rss_mib,
        "hangs_sockets": hangs.sockets,
        "hangs_cpus": hangs.cpus,
    }


def a_fifth_hostile(
    made: Installation, receiver: Target, seconds: float, well: Mapping[str, float]
) -> dict[str, float]:
    """Measure the fourth window once; `well` is what the other three showed."""
    hostile = workload.subscribe(made, [f"{receiver.url}/hostile/{number}" for number in range(HOSTILE)])
    bench = Bench(made, receiver, seconds)
    turns = workload.in_turn(_mixed(bench.healthy, hostile))
    share = HEALTHY / (HEALTHY + HOSTILE)
    seen = bench.window(
        lambda: bench.make(next(turns)), PER_SECOND, offered=PER_SECOND * share, prefix="/hostile/"
    )
    bench.close()
    return {
        "hostile_p50_ms": seen.healthy.p50_ms,
        "hostile_p95_ms": seen.healthy.p95_ms,
        "hostile_p99_ms": seen.healthy.p99_ms,
        "hostile_p95_ratio": seen.healthy.p95_ms / well["well_p95_ms"],
        "hostile_throughput_ratio": seen.throughput / well["well_throughput"],
        "hostile_posts": seen.neighbour.received,
        "hostile_rss_growth_mib": seen.rss_growth_mib,
        "hostile_sockets": seen.sockets,
        "hostile_cpus": seen.cpus,
    }


def _mixed(healthy: Sequence[Subscription], hostile: Sequence[Subscription]) -> list[Subscription]:
    """Return both, the hostile ones evenly among the others."""
    places = [(number / len(group), one) for group in (healthy, hostile) for number, one in enumerate(group)]
    return [one for _, one in sorted(places, key=lambda each: each[0])]
