"""How fast the delivery consumer drains prefilled topics, beside the bare POST rate: python -m bench.throughput [RUNS]

In one run: the limit (the same HTTP client, the same receiver, no Kafka), then one endpoint, then ten. From the first
receipt to the last.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import orjson

from bench import results, usage, workload
from bench.target import NoReceiver, Target, target
from deploy.local import settings as local_settings
from deploy.local import stack
from deploy.local.stack import Stack
from tests.harness.installation import Installation, installation

RECORDS: Final = 50_000
BARE_POSTS: Final = 20_000
BARE_AT_ONCE: Final = 64
TIMEOUT_S: Final = 120.0
PARTITIONS: Final = 12


def bare(receiver: Target) -> dict[str, float]:
    """Measure the limit in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "bench.bare",
        f"{receiver.url}/bare/0",
        str(BARE_POSTS),
        str(BARE_AT_ONCE),
    ]
    done = subprocess.run(command, check=True, capture_output=True)
    measured: dict[str, float] = orjson.loads(done.stdout)
    return measured


def drain(made: Installation, receiver: Target, broker_pid: int, endpoints: int) -> dict[str, float]:
    """Prefill the deliveries topic for some endpoints, let one delivery process drain it, and measure."""
    receiver.reset()
    subscribed = workload.subscribe(made, [f"{receiver.url}/ok/{number}" for number in range(endpoints)])
    make, turns = workload.Maker(made), workload.in_turn(subscribed)
    workload.write_all(made, (make(next(turns)) for _ in range(RECORDS)))
    program = made.another("delivery")
    pid = program.process.pid()
    assert pid is not None
    try:
        before, broker_before = usage.read(pid), usage.read(broker_pid)
        deadline_s = time.monotonic() + TIMEOUT_S
        while (seen := receiver.summary("/ok/")).handed < RECORDS:
            assert time.monotonic() < deadline_s, f"{seen.handed} of {RECORDS} after {TIMEOUT_S:.0f} s"
            time.sleep(0.25)
        after, broker_after = usage.read(pid), usage.read(broker_pid)
    finally:
        program.stop()
    assert receiver.summary("/ok/").handed == RECORDS, "something was sent twice"
    return {
        "per_second": RECORDS / ((seen.last_ms - seen.first_ms) / 1000),
        "cpu_us": 1e6 * (after.cpu_s - before.cpu_s) / RECORDS,
        "broker_us": 1e6 * (broker_after.cpu_s - broker_before.cpu_s) / RECORDS,
        "rss_mib": after.rss_mib,
        "sockets": after.sockets,
    }


def run(running: Stack) -> dict[str, float]:
    """Measure everything once."""
    broker_pid = running.broker.process.pid()
    assert broker_pid is not None, "the broker's CPU is read from its process: it must run on this machine"
    figures: dict[str, float] = {}
    with target() as receiver:
        limit = bare(receiver)
        figures |= {f"limit_{name}": value for name, value in limit.items()}
        for name, endpoints in (("one", 1), ("ten", 10)):
            with (
                tempfile.TemporaryDirectory(prefix="tocsin-bench-") as home,
                installation(running, Path(home), partitions=PARTITIONS) as made,
            ):
                measured = drain(made, receiver, broker_pid, endpoints)
            figures |= {f"{name}_{figure}": value for figure, value in measured.items()}
            figures[f"{name}_ratio"] = measured["per_second"] / limit["per_second"]
    return figures


def main(runs: int) -> int:
    """Measure several times and show least, median and most."""
    running = stack.up(local_settings.load())
    measured = []
    for number in range(runs):
        measured.append(run(running))
        print(
            f"run {number + 1} of {runs}: { ({k: round(v, 2) for k, v in measured[-1].items()}) }", flush=True
        )
    results.keep("throughput", measured, goals={"one_ratio": ">= 0.6", "ten_ratio": ">= 0.6"})
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
    except NoReceiver as missing:
        sys.exit(f"bench: {missing}")
