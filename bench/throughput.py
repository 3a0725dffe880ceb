"""How fast the delivery consumer alone drains prefilled topics, beside the bare POST rate of the same run.

One endpoint, then ten, on one delivery process; from the first receipt to the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

from bench import beside, usage, workload
from bench.goal import Figure
from bench.target import Target
from bench.world import Measure, World, pid_of
from tests.harness.installation import Installation

TITLE: Final = "Delivery alone drains prefilled topics"
FIGURES: Final[Sequence[Figure]] = (
    beside.LIMIT,
    *(
        figure
        for name, title in (("one", "one endpoint"), ("ten", "ten endpoints"))
        for figure in (
            Figure(f"{name}_per_second", title, "/s"),
            Figure(f"{name}_ratio", f"{title}, ratio to the limit", goal=">= 0.6"),
            Figure(f"{name}_cpu_us", "CPU of delivery, each", "µs"),
            Figure(f"{name}_broker_us", "CPU of the broker, each", "µs"),
            Figure(f"{name}_rss_mib", "memory", "MiB"),
            Figure(f"{name}_sockets", "sockets"),
        )
    ),
)
RECORDS: Final = 40_000
TIMEOUT_S: Final = 120.0


def prepared(world: World) -> AbstractContextManager[Measure]:
    """Measure beside the bare POST rate."""
    return beside.limit(world, drain)


def drain(made: Installation, receiver: Target, world: World, endpoints: int) -> dict[str, float]:
    """Prefill the deliveries topic for some endpoints, let one delivery process drain it, and measure."""
    records, broker_pid = world.count(RECORDS), world.broker_pid
    receiver.reset()
    subscribed = workload.subscribe(made, [f"{receiver.url}/ok/{number}" for number in range(endpoints)])
    make, turns = workload.Maker(made), workload.in_turn(subscribed)
    workload.write_all(made, (make(next(turns)) for _ in range(records)))
    program = made.another("delivery")
    pid = pid_of(program)
    try:
        before, broker_before = usage.read(pid), usage.read(broker_pid)
        receiver.await_received(records, TIMEOUT_S)
        after, broker_after = usage.read(pid), usage.read(broker_pid)
    finally:
        program.stop()
    seen = receiver.summary("/ok/")
    assert seen.handed == records, "something was sent twice"
    return {
        "per_second": records / ((seen.last_ms - seen.first_ms) / 1000),
        "cpu_us": 1e6 * (after.cpu_s - before.cpu_s) / records,
        "broker_us": 1e6 * (broker_after.cpu_s - broker_before.cpu_s) / records,
        "rss_mib": after.rss_mib,
        "sockets": after.sockets,
    }
