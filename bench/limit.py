"""The limits that the other figures stand beside: the same HTTP client without Kafka, and Kafka without HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from bench import bare, child, workload
from bench.goal import Figure
from bench.target import target
from bench.world import Measure, World

TITLE: Final = "Limit: the transport and Kafka alone"
FIGURES: Final[Sequence[Figure]] = (
    Figure("post_64_per_second", "bare POST, 64 in flight", "/s"),
    Figure("post_64_cpu_us", "CPU of the client", "µs"),
    Figure("post_128_per_second", "bare POST, 128 in flight", "/s"),
    Figure("post_128_cpu_us", "CPU of the client", "µs"),
    Figure("relay_per_second", "Kafka, consume → produce", "/s"),
    Figure("relay_cpu_us", "CPU of that process", "µs"),
)
AT_ONCE: Final = (64, 128)
POSTS: Final = 20_000
RECORDS: Final = 100_000


@contextmanager
def prepared(world: World) -> Iterator[Measure]:
    """Fill a topic and start the receiver."""
    count = world.count(RECORDS)
    with target() as receiver, world.installed() as made:
        (subscription,) = workload.subscribe(made, [f"{receiver.url}/bare/0"])
        make = workload.Maker(made)
        workload.write_all(made, (make(subscription) for _ in range(count)))

        def measure() -> dict[str, float]:
            figures: dict[str, float] = {}
            for at_once in AT_ONCE:
                posted = bare.post(f"{receiver.url}/bare/0", world.count(POSTS), at_once)
                figures[f"post_{at_once}_per_second"] = posted.per_second
                figures[f"post_{at_once}_cpu_us"] = posted.cpu_us
            topics = made.topics
            relayed = child.told("bench.relay", topics.deliveries, topics.redeliveries, count, made=made)
            return figures | {f"relay_{name}": value for name, value in relayed.items()}

        yield measure
