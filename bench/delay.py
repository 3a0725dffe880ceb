"""How exactly what waits comes back, and what waiting costs.

500 records a second for 30 s into the 5 s tier on 12 partitions, and the real delay program. A record is due at the
broker's append time plus the tier's delay; lateness counts until a consumer of the redeliveries has it. Bytes fetched
are what the kernel counts on the program's connections (Linux, `ss`), bytes stored are the topic's log files.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from confluent_kafka import TopicPartition

from bench import usage, workload
from bench.goal import Figure
from bench.world import PARTITIONS, Measure, World, pid_of
from deploy.local import settings as local_settings
from deploy.local.settings import LocalSettings
from tests.harness.installation import Installation, header
from tocsin import deliveries, tiers
from tocsin.deliveries import Progress
from tocsin.kafka import clients
from tocsin.kafka.writer import Outgoing, Writer

TITLE: Final = "Delay: 500 records a second through the 5 s tier"
FIGURES: Final[Sequence[Figure]] = (
    Figure("records", "records"),
    Figure("repeated", "records that came twice"),
    Figure("late_least_ms", "late, least", "ms", ">= 0"),
    Figure("late_p50_ms", "late, p50", "ms"),
    Figure("late_p99_ms", "late, p99", "ms", "<= 50"),
    Figure("late_most_ms", "late, most", "ms"),
    Figure("late_warm_up_most_ms", "late, most, its first seconds included", "ms"),
    Figure("fetched_to_stored", "bytes fetched, ratio to bytes stored", "", "<= 1.5"),
    Figure("cpu_us", "CPU a record", "µs"),
    Figure("rss_mib", "memory", "MiB"),
)
PER_SECOND: Final = 500.0
SECONDS: Final = 30.0
WARM_UP_S: Final = 3.0
TIER: Final = "5s"
ENDPOINTS: Final = 200


@dataclass(slots=True)
class Arrivals:
    """When each delivery came out of the tier, milliseconds since the epoch."""

    at_ms: dict[str, float] = field(default_factory=dict)
    repeated: int = 0

    def note(self, message: Any) -> None:
        """Note a record."""
        delivery_id = header(message, "tocsin_delivery_id") or ""
        self.repeated += delivery_id in self.at_ms
        self.at_ms.setdefault(delivery_id, workload.now())


@contextmanager
def arriving(made: Installation) -> Iterator[Arrivals]:
    """Read the redeliveries as they come."""
    arrivals, over = Arrivals(), threading.Event()
    consumer = clients.plain_consumer(made.settings, **{"fetch.wait.max.ms": 10})
    consumer.assign([TopicPartition(made.topics.redeliveries, number, 0) for number in range(PARTITIONS)])

    def run() -> None:
        while not over.is_set():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                arrivals.note(message)

    thread = threading.Thread(target=run, name="arrivals", daemon=True)
    thread.start()
    try:
        yield arrivals
    finally:
        over.set()
        thread.join()
        consumer.close()


@contextmanager
def prepared(world: World) -> Iterator[Measure]:
    """Nothing is kept from one run to the next."""
    assert shutil.which("ss") is not None, "bytes fetched are read with `ss`, and there is none on PATH"

    def measure() -> dict[str, float]:
        with world.installed() as made:
            return run(made, local_settings.load(), world.seconds(SECONDS))

    yield measure


def run(made: Installation, local: LocalSettings, seconds: float) -> dict[str, float]:
    """Measure once, for some seconds."""
    subscribed = workload.subscribe(made, [f"http://127.0.0.1:9/{number}" for number in range(ENDPOINTS)])
    make, turns = workload.Maker(made), workload.in_turn(subscribed)
    waiting = made.topics.delay(TIER)

    def source() -> Outgoing:
        return make(next(turns), Progress(step=1, attempt=1))._replace(topic=waiting)

    program = made.another("delay")
    pid = pid_of(program)
    writer = Writer(made.settings)
    with arriving(made) as arrivals, usage.watching(pid) as watch:
        workload.steadily(writer, source, PER_SECOND, WARM_UP_S)
        fetched_before, stored_before = _received_bytes(pid), _stored_bytes(local, waiting)
        begun_ms = workload.steadily(writer, source, PER_SECOND, seconds)
        sent = int(PER_SECOND * (WARM_UP_S + seconds))
        deadline_s = time.monotonic() + 30.0
        while len(arrivals.at_ms) < sent - 1 and time.monotonic() < deadline_s:
            time.sleep(0.1)
        fetched, stored = _received_bytes(pid) - fetched_before, _stored_bytes(local, waiting) - stored_before
    writer.close()
    records = made.read(waiting)
    all_late = [(record.timestamp()[1], late_ms) for record, late_ms in _lateness(arrivals, records)]
    assert len(all_late) == len(records), (
        f"{len(records) - len(all_late)} of {len(records)} did not come back"
    )
    late = sorted(late_ms for appended_ms, late_ms in all_late if appended_ms >= begun_ms)
    least = min(late_ms for _, late_ms in all_late)
    assert least >= 0, f"one came {-least:.1f} ms early"
    return {
        "records": len(records),
        "repeated": arrivals.repeated,
        "late_least_ms": least,
        "late_warm_up_most_ms": max(late_ms for _, late_ms in all_late),
        "late_p50_ms": late[len(late) // 2],
        "late_p99_ms": late[int(0.99 * len(late))],
        "late_most_ms": late[-1],
        "fetched_to_stored": fetched / stored,
        "cpu_us": 1e6 * (watch.readings[-1].cpu_s - watch.readings[0].cpu_s) / len(records),
        "rss_mib": watch.readings[-1].rss_mib,
    }


def _lateness(arrivals: Arrivals, records: list[Any]) -> Iterator[tuple[Any, float]]:
    for record in records:
        delivery_id = deliveries.first_value(record.headers(), "tocsin_delivery_id") or ""
        arrived_ms = arrivals.at_ms.get(delivery_id)
        if arrived_ms is not None:
            yield record, arrived_ms - record.timestamp()[1] - tiers.seconds(TIER) * 1000


def _received_bytes(pid: int) -> int:
    lines = subprocess.run(["ss", "-tinpH"], check=True, capture_output=True, text=True).stdout.splitlines()
    told = [told for owner, told in pairwise(lines) if f"pid={pid}," in owner]
    return sum(int(found[1]) for line in told if (found := re.search(r"bytes_received:(\d+)", line)))


def _stored_bytes(local: LocalSettings, topic: str) -> int:
    return sum(log.stat().st_size for log in (local.data / "kafka").glob(f"{topic}-*/*.log"))
