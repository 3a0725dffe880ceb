"""What it costs to be observed: router and delivery with traces and metrics on, against all of it off.

The same events for both, one program after the other on prefilled topics, in turns: on, off, off, on. CPU of the
program alone counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from bench import publishing, usage, workload
from bench.goal import Figure
from bench.target import Target, target
from bench.world import Measure, World, pid_of
from tests.harness.installation import Installation
from tocsin.kafka import snapshot

TITLE: Final = "The cost of being observed: traces of 1 % and metrics, against none"
FIGURES: Final[Sequence[Figure]] = (
    Figure("router_on_us", "router, observed", "µs"),
    Figure("router_off_us", "router, unobserved", "µs"),
    Figure("router_ratio", "router, observed to unobserved", "", "<= 1.05"),
    Figure("delivery_on_us", "delivery, observed", "µs"),
    Figure("delivery_off_us", "delivery, unobserved", "µs"),
    Figure("delivery_ratio", "delivery, observed to unobserved", "", "<= 1.05"),
)
UNOBSERVED: Final = {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_SAMPLER": "always_off"}
TURNS: Final = ("on", "off", "off", "on")
ENDPOINTS: Final = 10
DELIVERIES: Final = 15_000
WITHIN_S: Final = 120.0


@contextmanager
def prepared(world: World) -> Iterator[Measure]:
    """One installation serves all turns."""
    with target() as receiver, world.installed() as made:
        ways = {"on": made.fleet.environment, "off": _unobserved(made.fleet.environment)}
        workload.subscribe(made, [f"{receiver.url}/ok/{number}" for number in range(ENDPOINTS)])

        def measure() -> dict[str, float]:
            costs: dict[str, list[float]] = {}
            for way in TURNS:
                made.fleet.environment = ways[way]
                for program, cost_us in _costs(made, receiver, world.count(DELIVERIES)).items():
                    costs.setdefault(f"{program}_{way}_us", []).append(cost_us)
            figures = {name: statistics.mean(values) for name, values in costs.items()}
            for program in ("router", "delivery"):
                figures[f"{program}_ratio"] = figures[f"{program}_on_us"] / figures[f"{program}_off_us"]
            return figures

        yield measure


def _unobserved(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environment.items() if name != "TOCSIN_PROBES"} | UNOBSERVED


def _costs(made: Installation, receiver: Target, deliveries: int) -> dict[str, float]:
    """Return what a delivery costs router and delivery, microseconds of CPU each."""
    count = deliveries // ENDPOINTS * ENDPOINTS
    publishing.publish(made, count // ENDPOINTS)
    routed, received = _end(made) + count, receiver.count().received + count
    return {
        "router": _cost_us(made, "router", count, lambda: _end(made) >= routed),
        "delivery": _cost_us(made, "delivery", count, lambda: receiver.count().received >= received),
    }


def _cost_us(made: Installation, name: str, count: int, done: Callable[[], bool]) -> float:
    """Run a program until its work is done, and return the CPU of each delivery, microseconds."""
    program = made.another(name)
    before, deadline_s = usage.read(pid_of(program)), time.monotonic() + WITHIN_S
    while not done():
        assert time.monotonic() < deadline_s, f"{name} is not done after {WITHIN_S:.0f} s"
        time.sleep(0.1)
    cpu_s = usage.read(pid_of(program)).cpu_s - before.cpu_s
    program.stop()
    return 1e6 * cpu_s / count


def _end(made: Installation) -> int:
    """Return how many deliveries the router has written."""
    return sum(snapshot.ends(made.settings, made.topics.deliveries).values())
