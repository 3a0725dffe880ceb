"""What 199 healthy endpoints feel of bad neighbours: python -m bench.isolation [RUNS] [SECONDS]

Three windows at fixed rates on one delivery process: half of the traffic to 199 endpoints and nothing else; the other
half to one more endpoint that is healthy too; the same traffic while that one hangs for 30 s at every POST. A fourth on
a process of its own, for what the third leaves waiting would go on in it: as much traffic in all, evenly over the 199 and
50 hostile ones, a fifth of all, which drip, flood, reset and break off. Latency is from handing the record to the producer
to its receipt.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import results, usage, workload
from bench.target import NoReceiver, Summary, Target, target
from bench.usage import Usage
from deploy.local import settings as local_settings
from deploy.local import stack
from tests.harness.installation import Installation, installation
from tocsin import deliveries
from tocsin.kafka.writer import Outgoing, Writer
from tocsin.subscriptions import Subscription

HEALTHY: Final = 199
HOSTILE: Final = 50
"""A fifth of all endpoints; the receiver does another mischief for each in turn."""
PER_SECOND: Final = 1_000.0
WARM_UP_S: Final = 8.0
HANG_WARM_UP_S: Final = 20.0
"""Long enough that the window of the hanging endpoint's partition overflows before or in the measured window."""
WINDOW_S: Final = 30.0
PARTITIONS: Final = 12
GOALS: Final = {
    "p99_ratio": "< 1.5",
    "throughput_ratio": "0.9 to 1.1",
    "hostile_p95_ratio": "< 1.2",
    "hostile_throughput_ratio": "0.9 to 1.1",
}


@dataclass(frozen=True, slots=True)
class Window:
    """What one window showed of the healthy endpoints, and of the delivery process."""

    healthy: Summary
    neighbour: Summary
    readings: list[Usage]
    offered: float
    seconds: float

    @property
    def throughput(self) -> float:
        return self.healthy.received / self.seconds

    @property
    def rss_mib(self) -> float:
        return max(reading.rss_mib for reading in self.readings)

    @property
    def sockets(self) -> int:
        return max(reading.sockets for reading in self.readings)

    @property
    def cpu(self) -> float:
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
        made.start("delivery", "delay")
        (delivery,) = (program for program in made.fleet.programs if program.name == "delivery")
        pid = delivery.process.pid()
        assert pid is not None
        self._pid = pid
        self.make, self._writer = workload.Maker(made), Writer(made.settings)

    def close(self) -> None:
        """Let go of the producer."""
        self._writer.close()

    def window(
        self,
        name: str,
        source: Callable[[], Outgoing],
        rate: float,
        *,
        offered: float,
        warm_up_s: float = WARM_UP_S,
        prefix: str = "/well/",
    ) -> Window:
        """Measure one window, and print it.

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
            seen = Window(
                self._receiver.summary("/ok/", from_ms, until_ms),
                self._receiver.summary(prefix, from_ms, until_ms),
                watch.since(began_s),
                offered,
                self._seconds,
            )
        healthy = seen.healthy
        print(
            f"  {name:10} healthy: {seen.throughput:6.1f}/s  p50 {healthy.p50_ms:6.2f}  p90 {healthy.p90_ms:6.2f}"
            f"  p99 {healthy.p99_ms:7.2f}  max {healthy.max_ms:8.2f} ms   missing "
            f"{self._seconds * offered - healthy.handed:.0f}   delivery: {seen.cpu:.2f} CPUs, "
            f"{seen.rss_mib:.0f} MiB, {seen.sockets} sockets",
            flush=True,
        )
        return seen


def one_hangs(made: Installation, receiver: Target, seconds: float) -> dict[str, float]:
    """Measure the first three windows once."""
    well, hanging = workload.subscribe(made, [f"{receiver.url}/well/0", f"{receiver.url}/hang/0"])
    bench = Bench(made, receiver, seconds)
    turns, half = workload.in_turn(bench.healthy), PER_SECOND / 2

    def beside(neighbour: Subscription) -> Callable[[], Outgoing]:
        halves = itertools.cycle([itertools.repeat(neighbour), turns])
        return lambda: bench.make(next(next(halves)))

    alone = bench.window("alone", lambda: bench.make(next(turns)), half, offered=half)
    well_ = bench.window("all well", beside(well), PER_SECOND, offered=half)
    hangs = bench.window(
        "one hangs", beside(hanging), PER_SECOND, offered=half, warm_up_s=HANG_WARM_UP_S, prefix="/hang/"
    )
    bench.close()
    verdicts = _verdicts(made)
    print(f"  decided: {dict(verdicts)}; MiB a second: {[round(one.rss_mib) for one in hangs.readings[::5]]}")
    return {
        "p99_ratio": hangs.healthy.p99_ms / well_.healthy.p99_ms,
        "p99_ratio_to_alone": hangs.healthy.p99_ms / alone.healthy.p99_ms,
        "p50_ratio": hangs.healthy.p50_ms / well_.healthy.p50_ms,
        "throughput_ratio": hangs.throughput / well_.throughput,
        "alone_p50_ms": alone.healthy.p50_ms,
        "alone_p99_ms": alone.healthy.p99_ms,
        "well_p50_ms": well_.healthy.p50_ms,
        "well_p95_ms": well_.healthy.p95_ms,
        "well_p99_ms": well_.healthy.p99_ms,
        "well_throughput_share": well_.throughput / well_.offered,
        "hangs_p50_ms": hangs.healthy.p50_ms,
        "hangs_p99_ms": hangs.healthy.p99_ms,
        "hangs_max_ms": hangs.healthy.max_ms,
        "hangs_throughput": hangs.throughput,
        "hanging_posts_open": hangs.neighbour.peak_open,
        "parked": verdicts["parked"],
        "well_rss_mib": well_.rss_mib,
        "hangs_rss_mib": hangs.rss_mib,
        "hangs_sockets": hangs.sockets,
        "hangs_cpus": hangs.cpu,
    }


def a_fifth_hostile(
    made: Installation, receiver: Target, seconds: float, well: Mapping[str, float]
) -> dict[str, float]:
    """Measure the fourth window once, against the one where all were `well`."""
    hostile = workload.subscribe(made, [f"{receiver.url}/hostile/{number}" for number in range(HOSTILE)])
    bench = Bench(made, receiver, seconds)
    turns = workload.in_turn(_mixed(bench.healthy, hostile))
    share = HEALTHY / (HEALTHY + HOSTILE)
    seen = bench.window(
        "a fifth hostile",
        lambda: bench.make(next(turns)),
        PER_SECOND,
        offered=PER_SECOND * share,
        prefix="/hostile/",
    )
    bench.close()
    return {
        "hostile_p95_ratio": seen.healthy.p95_ms / well["well_p95_ms"],
        "hostile_p99_ratio": seen.healthy.p99_ms / well["well_p99_ms"],
        "hostile_throughput_ratio": seen.throughput / seen.offered / well["well_throughput_share"],
        "hostile_p50_ms": seen.healthy.p50_ms,
        "hostile_p95_ms": seen.healthy.p95_ms,
        "hostile_p99_ms": seen.healthy.p99_ms,
        "hostile_posts": seen.neighbour.received,
        "hostile_posts_open": seen.neighbour.peak_open,
        "hostile_rss_mib": seen.rss_mib,
        "hostile_rss_growth_mib": seen.readings[-1].rss_mib - seen.readings[0].rss_mib,
        "hostile_sockets": seen.sockets,
        "hostile_cpus": seen.cpu,
    }


def _mixed(healthy: Sequence[Subscription], hostile: Sequence[Subscription]) -> list[Subscription]:
    """Return both, the hostile ones evenly among the others."""
    places = [(number / len(group), one) for group in (healthy, hostile) for number, one in enumerate(group)]
    return [one for _, one in sorted(places, key=lambda each: each[0])]


def _verdicts(made: Installation) -> Counter[str]:
    return Counter(
        deliveries.unpack_decision(deliveries.read_decision(headers)[2]).verdict
        for message in made.read(made.topics.attempts)
        if (headers := _headers(message))
    )


def _headers(message: Any) -> Any:
    return message.headers()


@contextmanager
def _afresh() -> Iterator[tuple[Installation, Target]]:
    running = stack.up(local_settings.load())
    with (
        target() as receiver,
        tempfile.TemporaryDirectory(prefix="tocsin-bench-") as home,
        installation(running, Path(home), partitions=PARTITIONS) as made,
    ):
        yield made, receiver


def main(runs: int, seconds: float) -> int:
    """Measure several times and show least, median and most."""
    measured = []
    for number in range(runs):
        print(f"run {number + 1} of {runs}", flush=True)
        with _afresh() as (made, receiver):
            figures = one_hangs(made, receiver, seconds)
        with _afresh() as (made, receiver):
            measured.append(figures | a_fifth_hostile(made, receiver, seconds, figures))
    if seconds < WINDOW_S:
        print(
            f"  windows of {seconds:g} s say that it works, and nothing else; this is not kept: {measured[-1]}"
        )
    else:
        results.keep("isolation", measured, goals=GOALS)
    return 0


if __name__ == "__main__":
    asked = sys.argv[1:3]
    try:
        sys.exit(main(int(asked[0]) if asked else 3, float(asked[1]) if asked[1:] else WINDOW_S))
    except NoReceiver as missing:
        sys.exit(f"bench: {missing}")
