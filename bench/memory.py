"""What delivery holds in memory while a million deliveries wait for endpoints that do not keep up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from bench import usage, workload
from bench.goal import Figure
from bench.target import target
from bench.world import Measure, World, pid_of
from tests.harness.installation import Installation
from tocsin.kafka.writer import Outgoing
from tocsin.subscriptions import Subscription

TITLE: Final = "Memory of delivery with a backlog of a million"
FIGURES: Final[Sequence[Figure]] = (
    Figure("backlog", "deliveries that wait"),
    Figure("rss_mib", "memory, most in 20 s", "MiB", "<= 300"),
    Figure("idle_mib", "memory without any", "MiB"),
    Figure("posts_per_second", "POSTs meanwhile", "/s"),
)
BACKLOG: Final = 1_000_000
ENDPOINTS: Final = 200
RUN_S: Final = 20.0


@contextmanager
def prepared(world: World) -> Iterator[Measure]:
    """Write the backlog once: a run takes little of it."""
    backlog = world.count(BACKLOG)
    with target() as receiver, world.installed() as idle, world.installed() as made:
        urls = [f"{receiver.url}/slow/{number}?ms=1000" for number in range(ENDPOINTS)]
        workload.write_all(made, _alike(made, workload.subscribe(made, urls), backlog))

        def measure() -> dict[str, float]:
            before = receiver.count().received
            rss_mib = _most_mib(made, world.seconds(RUN_S))
            posts = receiver.count().received - before
            return {
                "backlog": backlog - receiver.count().received,
                "rss_mib": rss_mib,
                "idle_mib": _most_mib(idle, world.seconds(2.0)),
                "posts_per_second": posts / world.seconds(RUN_S),
            }

        yield measure


def _most_mib(made: Installation, seconds: float) -> float:
    """Run a delivery process for a while and return the most memory that it had, MiB."""
    program = made.another("delivery")
    with usage.watching(pid_of(program), every_s=0.2) as watch:
        time.sleep(seconds)
    program.stop()
    return max(reading.rss_mib for reading in watch.readings)


def _alike(made: Installation, subscribed: Sequence[Subscription], count: int) -> Iterator[Outgoing]:
    """Yield records that differ in what tells deliveries apart.

    A million that are made one by one take minutes. So each subscription's first one is copied, and the number in its
    ids exchanged, which are as long in all of them.
    """
    make, firsts = workload.Maker(made), []
    for subscription in subscribed:
        record = make(subscription)
        headers = dict(record.headers)
        firsts.append((record, headers["tocsin_delivery_id"] or b"", headers["ce_id"] or b""))
    for number in range(count):
        record, delivery_id, _ = firsts[number % len(firsts)]
        own = delivery_id[:-12] + b"%012x" % number
        yield record._replace(
            value=(record.value or b"").replace(delivery_id, own),
            headers=[
                (name, own if name == "tocsin_delivery_id" else value) for name, value in record.headers
            ],
        )
