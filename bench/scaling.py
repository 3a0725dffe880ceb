"""One, two and four delivery processes on one topic, and how many POSTs one process holds open at once.

64 endpoints that take 50 ms. The processes have their partitions before the first record is written; records are made
before, and written in a moment. A second of each endpoint's time for the POSTs that are open at once.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final

from confluent_kafka.admin import AdminClient

from bench import usage, workload
from bench.goal import Figure
from bench.target import Target, target
from bench.world import PARTITIONS, Measure, World
from tests.harness.installation import Installation
from tocsin.kafka import clients
from tocsin.kafka.writer import Outgoing
from tocsin.subscriptions import Subscription

TITLE: Final = "Scaling: 64 endpoints that take 50 ms"
SIZES: Final = ((1, "one"), (2, "two"), (4, "four"))
FIGURES: Final[Sequence[Figure]] = (
    *(
        figure
        for count, name in SIZES
        for figure in (
            Figure(f"{name}_per_second", f"{name} delivery process{'es' if count > 1 else ''}", "/s"),
            Figure(f"{name}_busy", "share of the machine's CPUs that is busy"),
        )
    ),
    Figure("two_scaled", "two: of linear, or of the CPUs, the larger", "", ">= 0.9"),
    Figure("four_scaled", "four: of linear, or of the CPUs, the larger", "", ">= 0.9"),
    Figure("in_flight", "POSTs open at once, one process, endpoints that take 1 s", "", ">= 2,000"),
    Figure("in_flight_failed", "attempts of these that failed", "", "<= 0"),
    Figure("repeated", "POSTs that were made twice, over all joins and leaves", "", "<= 0"),
)
ENDPOINTS: Final = 64
RECORDS: Final = 16_000
"""As many as one process holds without parking any."""
SLOW_ENDPOINTS: Final = 256
SLOW_RECORDS: Final = 16_000
JOINED_WITHIN_S: Final = 30.0
WITHIN_S: Final = 120.0


@contextmanager
def prepared(world: World) -> Iterator[Measure]:
    """Subscribe both kinds of endpoints in one installation."""
    with target() as receiver, world.installed() as made:
        quick = workload.subscribe(
            made, [f"{receiver.url}/slow/{number}?ms=50" for number in range(ENDPOINTS)]
        )
        slow = workload.subscribe(
            made, [f"{receiver.url}/slow/s{number}?ms=1000" for number in range(SLOW_ENDPOINTS)]
        )

        def measure() -> dict[str, float]:
            figures: dict[str, float] = {"repeated": 0}
            for count, name in SIZES:
                rate, busy, repeated = _rate(made, receiver, count, quick, world.count(RECORDS))
                figures |= {f"{name}_per_second": rate, f"{name}_busy": busy}
                figures["repeated"] += repeated
            for count, name in SIZES[1:]:
                of_linear = figures[f"{name}_per_second"] / count / figures["one_per_second"]
                figures[f"{name}_scaled"] = max(of_linear, figures[f"{name}_busy"])
            return figures | _in_flight(made, receiver, slow, world.count(SLOW_RECORDS))

        yield measure


def _rate(
    made: Installation, receiver: Target, processes: int, subscribed: Sequence[Subscription], records: int
) -> tuple[float, float, int]:
    """Return deliveries a second, the share of the CPUs that was busy meanwhile, and how many were made twice."""
    with _fleet(made, processes):
        receiver.reset()
        written = _records(made, subscribed, records)
        began_s, busy_s = time.monotonic(), usage.busy_s()
        workload.write_all(made, written)
        receiver.await_received(records, WITHIN_S)
        busy = (usage.busy_s() - busy_s) / (time.monotonic() - began_s) / usage.CPUS
    seen = receiver.summary("/slow/")
    return records / ((seen.last_ms - seen.first_ms) / 1000), busy, seen.received - records


def _in_flight(
    made: Installation, receiver: Target, subscribed: Sequence[Subscription], records: int
) -> dict[str, float]:
    """Return how many POSTs one process held open at once, and how many of all failed."""
    with _fleet(made, 1):
        receiver.reset()
        workload.write_all(made, _records(made, subscribed, records))
        receiver.await_received(records, WITHIN_S)
        peak = receiver.count().peak_open
    verdicts = workload.verdicts(made, subscribed)
    return {"in_flight": peak, "in_flight_failed": sum(verdicts.values()) - verdicts["delivered"]}


@contextmanager
def _fleet(made: Installation, processes: int) -> Iterator[None]:
    """Run delivery processes that share the partitions evenly, and a delay process for what should be parked."""
    programs = [*made.fleet.add("delivery", processes), *made.fleet.add("delay")]
    try:
        made.fleet.start()
        _await_shared(made, processes)
        yield
    finally:
        made.fleet.stop()
        for program in programs:
            made.fleet.programs.remove(program)


def _await_shared(made: Installation, processes: int) -> None:
    admin, group = clients.admin(made.settings), made.topics.group("delivery")
    fair = sorted(2 * len(range(number, PARTITIONS, processes)) for number in range(processes))
    deadline_s = time.monotonic() + JOINED_WITHIN_S
    while (shares := _shares(admin, group)) != fair:
        assert time.monotonic() < deadline_s, f"partitions are shared {shares}, not {fair}"
        time.sleep(0.2)


def _shares(admin: AdminClient, group: str) -> list[int]:
    """Return how many partitions each member of a group has, in order."""
    described = admin.describe_consumer_groups([group])[group].result()
    return sorted(len(member.assignment.topic_partitions) for member in described.members)


def _records(made: Installation, subscribed: Sequence[Subscription], count: int) -> list[Outgoing]:
    make = workload.Maker(made)
    return [make(subscription) for subscription in islice(itertools.cycle(subscribed), count)]
