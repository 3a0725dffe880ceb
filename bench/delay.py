"""How exactly what waits comes back, and what waiting costs: python -m bench.delay [RUNS]

500 records a second for 30 s into the 5 s tier on 12 partitions, and the real delay program. A record is due at the
broker's append time plus the tier's delay; lateness counts until a consumer of the redeliveries has it. Bytes fetched
are what the kernel counts on the program's connections (Linux, `ss`), bytes stored are the topic's log files.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from confluent_kafka import TopicPartition

from bench import results, usage, workload
from deploy.local import settings as local_settings
from deploy.local import stack
from deploy.local.settings import LocalSettings
from tests.harness.installation import Installation, header, installation
from tocsin import deliveries, tiers
from tocsin.deliveries import Progress
from tocsin.kafka import clients
from tocsin.kafka.writer import Outgoing, Writer

PER_SECOND: Final = 500.0
SECONDS: Final = 30.0
WARM_UP_S: Final = 3.0
TIER: Final = "5s"
PARTITIONS: Final = 12
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


def run(made: Installation, local: LocalSettings) -> dict[str, float]:
    """Measure once."""
    subscribed = workload.subscribe(made, [f"http://127.0.0.1:9/{number}" for number in range(ENDPOINTS)])
    make, turns = workload.Maker(made), workload.in_turn(subscribed)
    waiting = made.topics.delay(TIER)

    def source() -> Outgoing:
        return replace(make(next(turns), Progress(step=1, attempt=1)), topic=waiting)

    program = made.another("delay")
    pid = program.process.pid()
    assert pid is not None
    writer = Writer(made.settings)
    with arriving(made) as arrivals, usage.watching(pid) as watch:
        workload.steadily(writer, source, PER_SECOND, WARM_UP_S)
        fetched_before, stored_before = _received_bytes(pid), _stored_bytes(local, waiting)
        begun_ms = workload.steadily(writer, source, PER_SECOND, SECONDS)
        sent = int(PER_SECOND * (WARM_UP_S + SECONDS))
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


def main(runs: int) -> int:
    """Measure several times and show least, median and most."""
    if shutil.which("ss") is None:
        sys.exit("bench: the delay benchmark reads bytes fetched with `ss`, and there is none on PATH")
    local = local_settings.load()
    running, measured = stack.up(local), []
    for number in range(runs):
        with (
            tempfile.TemporaryDirectory(prefix="tocsin-bench-") as home,
            installation(running, Path(home), partitions=PARTITIONS) as made,
        ):
            measured.append(run(made, local))
        print(
            f"run {number + 1} of {runs}: { ({k: round(v, 2) for k, v in measured[-1].items()}) }", flush=True
        )
    results.keep(
        "delay",
        measured,
        goals={"late_least_ms": ">= 0", "late_p99_ms": "<= 50", "fetched_to_stored": "<= 1.5"},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
