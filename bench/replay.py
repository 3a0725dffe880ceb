"""What live deliveries feel of a replay: python -m bench.replay [RUNS] [LETTERS]

Two windows of the same live traffic on one delivery process: alone, and while dead letters of other endpoints are
replayed. Latency is from handing the record to the producer to its receipt.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench import results, workload
from bench.target import NoReceiver, Summary, Target, target
from deploy.local import settings as local_settings
from deploy.local import stack
from tests.harness.installation import Installation, installation
from tocsin import jobs
from tocsin.deliveries import Progress
from tocsin.jobs import ReplayRequest
from tocsin.kafka.jobrows import JobRows
from tocsin.kafka.writer import Outgoing, Writer
from tocsin.selection import Selection
from tocsin.subscriptions import Subscription

LETTERS: Final = 100_000
ENDPOINTS: Final = 100
LIVE_PER_SECOND: Final = 500.0
REPLAY_PER_SECOND: Final = 500.0
WARM_UP_S: Final = 8.0
ALONE_S: Final = 30.0
REPLAYED_WITHIN_S: Final = 120.0
PARTITIONS: Final = 12


def run(made: Installation, receiver: Target, letters: int) -> dict[str, float]:
    """Measure both windows once."""
    live = workload.subscribe(made, [f"{receiver.url}/ok/{number}" for number in range(ENDPOINTS)])
    dead = workload.subscribe(made, [f"{receiver.url}/well/{number}" for number in range(ENDPOINTS)])
    workload.write_all(made, _letters(made, dead, letters))
    made.start("delivery", "delay", "replay")
    turns, make, writer = workload.in_turn(live), workload.Maker(made), Writer(made.settings)

    def window(name: str, seconds: float) -> Summary:
        from_ms = workload.steadily(writer, lambda: make(next(turns)), LIVE_PER_SECOND, seconds)
        time.sleep(1.0)
        seen = receiver.summary("/ok/", from_ms, from_ms + seconds * 1000)
        print(
            f"  {name:10} live: p50 {seen.p50_ms:6.2f}  p90 {seen.p90_ms:6.2f}  p99 {seen.p99_ms:7.2f}"
            f"  max {seen.max_ms:8.2f} ms   missing {seconds * LIVE_PER_SECOND - seen.handed:.0f}",
            flush=True,
        )
        return seen

    workload.steadily(writer, lambda: make(next(turns)), LIVE_PER_SECOND, WARM_UP_S)
    alone = window("alone", ALONE_S)
    from_ms = workload.now()
    _ask(made)
    beside = window("replaying", letters / REPLAY_PER_SECOND)
    writer.close()
    within = receiver.summary("/well/").received
    took_s = _all_received(receiver, letters, from_ms)
    print(f"  replayed {letters} in {took_s:.0f} s, {within} of them in the window")
    return {
        "p99_ratio": beside.p99_ms / alone.p99_ms,
        "p50_ratio": beside.p50_ms / alone.p50_ms,
        "alone_p50_ms": alone.p50_ms,
        "alone_p99_ms": alone.p99_ms,
        "replaying_p50_ms": beside.p50_ms,
        "replaying_p99_ms": beside.p99_ms,
        "replaying_max_ms": beside.max_ms,
        "replayed_in_window": within / letters,
        "replayed_per_s": letters / took_s,
    }


def _all_received(receiver: Target, letters: int, from_ms: float) -> float:
    """Return how many seconds it took until every letter was received again."""
    deadline_ms = workload.now() + 1000 * REPLAYED_WITHIN_S
    while (received := receiver.summary("/well/").received) < letters:
        assert workload.now() < deadline_ms, f"{received} of {letters} replayed"
        time.sleep(0.2)
    return (workload.now() - from_ms) / 1000


def _letters(made: Installation, dead: list[Subscription], count: int) -> Iterator[Outgoing]:
    make, turns = workload.Maker(made), workload.in_turn(dead)
    progress = Progress(step=6, attempt=6, last_status=503, last_error="HTTP 503")
    for _ in range(count):
        live = make(next(turns), progress)
        headers = [*live.headers, ("tocsin_reason", b"exhausted"), ("tocsin_fault", b"subscriber")]
        yield replace(live, topic=made.topics.dlq, headers=headers)


def _ask(made: Installation) -> None:
    now_ms = int(workload.now())
    name = jobs.new_name("replay", now_ms, os.urandom(3))
    request = ReplayRequest(name, "bench", now_ms, Selection(), rate_per_s=REPLAY_PER_SECOND)
    made.write(JobRows(made.registry, made.topics).request(request))


def main(runs: int, letters: int) -> int:
    """Measure several times and show least, median and most."""
    measured = []
    running = stack.up(local_settings.load())
    for number in range(runs):
        print(f"run {number + 1} of {runs}", flush=True)
        with (
            target() as receiver,
            tempfile.TemporaryDirectory(prefix="tocsin-bench-") as home,
            installation(running, Path(home), partitions=PARTITIONS) as made,
        ):
            measured.append(run(made, receiver, letters))
    if letters < LETTERS:
        print(f"  {letters} letters say that it works, and nothing else; this is not kept: {measured[-1]}")
    else:
        results.keep("replay", measured, goals={"p99_ratio": "< 1.1"})
    return 0


if __name__ == "__main__":
    asked = [int(text) for text in sys.argv[1:3]]
    try:
        sys.exit(main(*(asked + [3, LETTERS][len(asked) :])))
    except NoReceiver as missing:
        sys.exit(f"bench: {missing}")
