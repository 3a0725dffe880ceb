"""Publish → router → delivery → receiver at saturation, with one of every program that has a part in it.

Events are published as fast as they are taken; the rate is of deliveries, from the first receipt to the last. CPU is
counted until the delivery log shows every one of them, so that no program's work is left out.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from typing import Final

from bench import beside, publishing, usage, workload
from bench.goal import Figure
from bench.target import Target
from bench.world import Measure, World, pid_of
from tests.harness.installation import Installation

TITLE: Final = (
    "End to end at saturation: publish → receipt, the delivery log kept, every program on one machine"
)
PROGRAMS: Final = ("router", "delivery", "delay", "ledger")
PROCESSES: Final = (*PROGRAMS, "broker", "receiver")
_GOALS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "one": (">= 2,500", ">= 4,000", "<= 600", "<= 400"),
    "ten": (">= 3,500", ">= 6,000", "<= 450", "<= 300"),
}


def _figures(name: str, title: str) -> Iterator[Figure]:
    rate, rate_aim, cpu, cpu_aim = _GOALS[name]
    yield Figure(f"{name}_per_second", title, "/s", rate, rate_aim)
    yield Figure(f"{name}_ratio", f"{title}, ratio to the limit", "", ">= 0.3", ">= 0.5")
    yield Figure(f"{name}_system_us", f"{title}, CPU each, all but the publisher", "µs", cpu, cpu_aim)
    for process in PROCESSES:
        yield Figure(f"{name}_{process}_us", f"of it {process}", "µs")
    yield Figure(f"{name}_publisher_us", "the publisher's", "µs")
    yield Figure(f"{name}_machine_us", "the whole machine's", "µs")
    yield Figure(f"{name}_log_behind_s", "the delivery log is complete after the last receipt", "s")


FIGURES: Final[Sequence[Figure]] = (
    beside.LIMIT,
    *_figures("one", "one endpoint"),
    *_figures("ten", "fan-out of 10"),
)
DELIVERIES: Final = 40_000
WARM_UP: Final = 200
WITHIN_S: Final = 180.0


def prepared(world: World) -> AbstractContextManager[Measure]:
    """Measure beside the bare POST rate."""
    return beside.limit(world, saturate)


def saturate(made: Installation, receiver: Target, world: World, endpoints: int) -> dict[str, float]:
    """Start the programs, publish for some endpoints, and measure until everything is delivered and in the log."""
    pids = {**started(made, receiver, endpoints), "broker": world.broker_pid, "receiver": receiver.pid}
    events = world.count(DELIVERIES) // endpoints
    deliveries, logged_before = events * endpoints, WARM_UP * endpoints
    before, busy_before_s = usage.cpu_s(pids), usage.busy_s()
    published = publishing.publish(made, events)
    receiver.await_received(deliveries, WITHIN_S)
    seen = receiver.summary("/ok/", published.began_ms)
    log_behind_s = await_logged(made, logged_before + deliveries) - seen.last_ms / 1000
    after, busy_after_s = usage.cpu_s(pids), usage.busy_s()
    assert seen.handed == deliveries, f"{seen.handed} received of {deliveries}"
    each_us = {name: 1e6 * (after[name] - before[name]) / deliveries for name in PROCESSES}
    return {
        "per_second": deliveries / ((seen.last_ms - seen.first_ms) / 1000),
        "system_us": sum(each_us.values()),
        **{f"{name}_us": value for name, value in each_us.items()},
        "publisher_us": published.cpu_us / endpoints,
        "machine_us": 1e6 * (busy_after_s - busy_before_s) / deliveries,
        "log_behind_s": max(0.0, log_behind_s),
    }


def started(made: Installation, receiver: Target, endpoints: int) -> dict[str, int]:
    """Start one of each program for some endpoints, deliver a few events, and return the processes."""
    workload.subscribe(made, [f"{receiver.url}/ok/{number}" for number in range(endpoints)])
    made.start(*PROGRAMS)
    receiver.reset()
    publishing.publish(made, WARM_UP)
    receiver.await_received(WARM_UP * endpoints, WITHIN_S)
    await_logged(made, WARM_UP * endpoints)
    receiver.reset()
    return {program.name: pid_of(program) for program in made.fleet.programs}


def await_logged(made: Installation, count: int) -> float:
    """Return when the delivery log shows so many delivered ones with their bodies, seconds since the epoch."""
    path = made.settings.ledger.get_secret_value().removeprefix("sqlite:///")
    deadline_s = time.monotonic() + WITHIN_S
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as log:
        while (logged := _logged(log)) < count:
            assert time.monotonic() < deadline_s, f"{logged} of {count} in the delivery log"
            time.sleep(0.1)
    return time.time()


def _logged(log: sqlite3.Connection) -> int:
    asked = "SELECT count(*) FROM deliveries WHERE status = 'delivered' AND content_type IS NOT NULL"
    (count,) = log.execute(asked).fetchone()
    return int(count)
