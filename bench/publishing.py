"""Publish events from a process of their own: python -m bench.publishing COUNT PER_SECOND

At a rate, or as fast as they are taken when it is 0. Each event says in its data when it was handed over, which the receiver reads.
Prints one JSON object: acknowledged events a second, CPU microseconds for each, and when that began and ended.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from bench import child, workload
from tests.harness.installation import Installation
from tocsin import Publisher

OPEN_MOST: Final = 50_000
"""Events handed over and not acknowledged; the client's own queue holds more."""
FINE_S: Final = 0.0005


@dataclass(frozen=True, slots=True)
class Published:
    """What one such process did; times are milliseconds since the epoch."""

    per_second: float
    cpu_us: float
    began_ms: float
    ended_ms: float


def publish(made: Installation, count: int, per_second: float = 0.0) -> Published:
    """Publish from another process and return once all events are acknowledged."""
    return Published(**child.told("bench.publishing", count, per_second, made=made))


def data(number: int) -> dict[str, Any]:
    """Return the data of an event that is handed over now; its delivery has some 500 bytes."""
    return {
        "system_name": "customer-support-agent",
        "drift_score": 0.87,
        "decision": "ESCALATE",
        "ledger_hash": f"at={workload.now():.3f};{workload.noise(number, 260)}",
    }


def _send(count: int, per_second: float) -> dict[str, float]:
    sent: list[Future[Any]] = []
    with Publisher(workload.SYSTEM, source="/bench") as publisher:
        # The schema is registered with the first event, and connections are made: that is not what is measured.
        publisher.publish("drift.alert", data(0), organization="nobody")
        began_s, cpu_s, began_ms = time.monotonic(), time.process_time(), workload.now()
        for number in range(count):
            while per_second and number > (time.monotonic() - began_s) * per_second:
                time.sleep(FINE_S)
            if number >= OPEN_MOST:
                sent[number - OPEN_MOST].result()
            sent.append(publisher.send("drift.alert", data(number), organization=workload.ORGANIZATION))
        for future in sent:
            future.result()
        took_s = time.monotonic() - began_s
        return {
            "per_second": count / took_s,
            "cpu_us": 1e6 * (time.process_time() - cpu_s) / count,
            "began_ms": began_ms,
            "ended_ms": workload.now(),
        }


if __name__ == "__main__":
    child.tell(_send(int(sys.argv[1]), float(sys.argv[2])))
