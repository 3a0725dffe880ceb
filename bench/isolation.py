"""What 199 healthy endpoints feel of one that hangs: python -m bench.isolation [RUNS]

Three windows at fixed rates on one delivery process: half of the traffic to 199 endpoints and nothing else; the other
half to one more endpoint that is healthy too; the same traffic while that one hangs for 30 s at every POST. Latency is
from handing the record to the producer to its receipt.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
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
PER_SECOND: Final = 1_000.0
WARM_UP_S: Final = 8.0
HANG_WARM_UP_S: Final = 20.0
"""Long enough that the window of the hanging endpoint's partition overflows before or in the measured window."""
WINDOW_S: Final = 30.0
PARTITIONS: Final = 12


@dataclass(frozen=True, slots=True)
class Window:
    """What one window showed of the healthy endpoints, and of the delivery process."""

    healthy: Summary
    neighbour: Summary
    readings: list[Usage]

    @property
    def throughput(self) -> float:
        return self.healthy.received / WINDOW_S

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


def run(made: Installation, receiver: Target) -> dict[str, float]:
    """Measure the three windows once."""
    healthy = workload.subscribe(made, [f"{receiver.url}/ok/{number}" for number in range(HEALTHY)])
    well, hanging = workload.subscribe(made, [f"{receiver.url}/well/0", f"{receiver.url}/hang/0"])
    made.start("delivery", "delay")
    (delivery,) = (program for program in made.fleet.programs if program.name == "delivery")
    pid, make, turns = delivery.process.pid(), workload.Maker(made), workload.in_turn(healthy)
    assert pid is not None
    writer = Writer(made.settings)

    def beside(neighbour: Subscription) -> Callable[[], Outgoing]:
        halves = itertools.cycle([itertools.repeat(neighbour), turns])
        return lambda: make(next(next(halves)))

    def window(
        name: str, source: Callable[[], Outgoing], rate: float, warm_up_s: float, prefix: str
    ) -> Window:
        with usage.watching(pid) as watch:
            workload.steadily(writer, source, rate, warm_up_s)
            began_s = time.monotonic()
            from_ms = workload.steadily(writer, source, rate, WINDOW_S)
            time.sleep(1.0)
            until_ms = from_ms + WINDOW_S * 1000
            seen = Window(
                receiver.summary("/ok/", from_ms, until_ms),
                receiver.summary(prefix, from_ms, until_ms),
                watch.since(began_s),
            )
        healthy_ = seen.healthy
        print(
            f"  {name:10} healthy: {seen.throughput:6.1f}/s  p50 {healthy_.p50_ms:6.2f}  p90 {healthy_.p90_ms:6.2f}"
            f"  p99 {healthy_.p99_ms:7.2f}  max {healthy_.max_ms:8.2f} ms   missing "
            f"{WINDOW_S * PER_SECOND / 2 - healthy_.handed:.0f}   delivery: {seen.cpu:.2f} CPUs, "
            f"{seen.rss_mib:.0f} MiB, {seen.sockets} sockets",
            flush=True,
        )
        return seen

    alone = window("alone", lambda: make(next(turns)), PER_SECOND / 2, WARM_UP_S, "/well/")
    well_ = window("all well", beside(well), PER_SECOND, WARM_UP_S, "/well/")
    hangs = window("one hangs", beside(hanging), PER_SECOND, HANG_WARM_UP_S, "/hang/")
    writer.close()
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
        "well_p99_ms": well_.healthy.p99_ms,
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


def _verdicts(made: Installation) -> Counter[str]:
    return Counter(
        deliveries.unpack_decision(deliveries.read_decision(headers)[2]).verdict
        for message in made.read(made.topics.attempts)
        if (headers := _headers(message))
    )


def _headers(message: Any) -> Any:
    return message.headers()


def main(runs: int) -> int:
    """Measure several times and show least, median and most."""
    measured = []
    running = stack.up(local_settings.load())
    for number in range(runs):
        print(f"run {number + 1} of {runs}", flush=True)
        with (
            target() as receiver,
            tempfile.TemporaryDirectory(prefix="tocsin-bench-") as home,
            installation(running, Path(home), partitions=PARTITIONS) as made,
        ):
            measured.append(run(made, receiver))
    results.keep("isolation", measured, goals={"p99_ratio": "< 1.5", "throughput_ratio": "0.9 to 1.1"})
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
    except NoReceiver as missing:
        sys.exit(f"bench: {missing}")
