"""What one event costs the router, and what subscriptions cost: python -m bench.routing SUBSCRIPTIONS

In process: matching and fan-out for ten subscriptions of an organization, while there are ten, a thousand or a hundred
thousand in all. Then the real router, which reads that many from the compacted topic before it says that it is ready.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from bench import child, usage, workload
from bench.goal import Figure
from bench.world import Measure, World, pid_of
from tests.harness.installation import Installation
from tocsin.events import Event
from tocsin.fanout import FanOut
from tocsin.intake import Arrived
from tocsin.matching import Index
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

TITLE: Final = "Routing, by number of subscriptions of which ten match"
SIZES: Final = (10, 1_000, 100_000)
FIGURES: Final[Sequence[Figure]] = (
    *(Figure(f"match_{size}_us", f"matching among {size:,}", "µs") for size in SIZES),
    Figure("match_flat", "matching, dearest of these to cheapest", "", "<= 1.2"),
    *(Figure(f"route_{size}_us", f"matching and ten deliveries among {size:,}", "µs") for size in SIZES),
    Figure("route_flat", "matching and fan-out, dearest to cheapest", "", "<= 1.2"),
    Figure("memory_mib", "the router's memory, for each 100,000", "MiB", "<= 300"),
    Figure("start_s", "the router's start with 100,000, until it is ready", "s", "<= 10"),
    Figure("start_empty_s", "its start without any", "s"),
)
MATCHING: Final = 10
EVENTS: Final = 20_000
ROUNDS: Final = 5
SYSTEM: Final = workload.SYSTEM


@contextmanager
def prepared(world: World) -> Iterator[Measure]:
    """Fill the subscriptions topic of one of two installations."""
    most = world.count(SIZES[-1])
    with world.installed() as empty, world.installed() as full:
        workload.subscribe(full, [f"https://example.com/{number}" for number in range(most)])

        def measure() -> dict[str, float]:
            figures: dict[str, float] = {}
            for size in SIZES:
                found = child.told("bench.routing", size, world.count(EVENTS))
                figures |= {f"{name}_{size}_us": value for name, value in found.items()}
            for name in ("match", "route"):
                costs = [figures[f"{name}_{size}_us"] for size in SIZES]
                figures[f"{name}_flat"] = max(costs) / min(costs)
            (start_s, rss_mib), (start_empty_s, rss_empty_mib) = _start(full), _start(empty)
            figures["memory_mib"] = (rss_mib - rss_empty_mib) * 100_000 / most
            return figures | {"start_s": start_s, "start_empty_s": start_empty_s}

        yield measure


def _start(made: Installation) -> tuple[float, float]:
    """Start a router and return after how many seconds it was ready, and its memory then, MiB."""
    began_s = time.monotonic()
    program = made.another("router")
    took_s = time.monotonic() - began_s
    rss_mib = usage.read(pid_of(program)).rss_mib
    program.stop()
    return took_s, rss_mib


def _subscriptions(count: int) -> Iterator[Subscription]:
    """Yield subscriptions of as many organizations as there are tens of them."""
    template = Subscription(
        id="",
        organization="",
        system=SYSTEM,
        url="https://example.com/",
        event_types=("drift.*",),
        created_at=0,
        updated_at=0,
        effective_at=0,
    )
    for number in range(count):
        organization = f"organization-{number // MATCHING}"
        yield replace(template, id=f"wh_{number:024d}", organization=organization, offset=number)


def _costs(size: int, events: int) -> dict[str, float]:
    systems = load_systems()
    system = systems[SYSTEM]
    index = Index({name: each.event_types for name, each in systems.items()})
    for subscription in _subscriptions(size):
        index.update(subscription.id, subscription)
    event_type = system.event_types["drift.alert"]
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    arrived = [
        Arrived(
            Event(f"e{number}", "/bench", event_type.name, moment, f"organization-{number}"),
            event_type.example,
            system,
        )
        for number in range(min(size // MATCHING, 1_000))
    ]

    def match(one: Arrived) -> Any:
        return index.match(one.event, SYSTEM, one.data).subscriptions

    def route(one: Arrived) -> Any:
        return list(FanOut(one, match(one), systems))

    assert all(len(match(one)) == MATCHING == len(route(one)) for one in arrived)
    return {"match": _cheapest_us(match, arrived, events), "route": _cheapest_us(route, arrived, events // 4)}


def _cheapest_us(work: Callable[[Arrived], Any], arrived: Sequence[Arrived], events: int) -> float:
    """Return the CPU that one event costs, microseconds: of the round that was disturbed least."""
    rounds = []
    for _ in range(ROUNDS):
        chosen = list(itertools.islice(itertools.cycle(arrived), events // ROUNDS))
        began_s = time.process_time()
        for one in chosen:
            work(one)
        rounds.append(1e6 * (time.process_time() - began_s) / len(chosen))
    return min(rounds)


if __name__ == "__main__":
    child.tell(_costs(int(sys.argv[1]), int(sys.argv[2])))
