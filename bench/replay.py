"""What live deliveries feel of a replay.

Three windows of the same live traffic on one delivery process: alone, while dead letters of other endpoints are replayed
at the rate that a job has unless it says otherwise, and while they are replayed as fast as live events come. Latency is
from handing the record to the producer to its receipt.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from bench import workload
from bench.goal import Figure
from bench.target import Summary, Target, target
from bench.world import Measure, World
from tests.harness.installation import Installation
from tocsin import jobs
from tocsin.deliveries import Progress
from tocsin.jobs import DEFAULT_RATE_PER_S, ReplayRequest
from tocsin.kafka.jobrows import JobRows
from tocsin.kafka.writer import Outgoing, Writer
from tocsin.selection import Selection
from tocsin.subscriptions import Subscription

TITLE: Final = "Replay: live deliveries at 500/s, and 100,000 dead letters replayed beside them"
FIGURES: Final[Sequence[Figure]] = (
    Figure("alone_p50_ms", "live alone: p50", "ms"),
    Figure("alone_p99_ms", "p99", "ms"),
    Figure("usual_p50_ms", "live beside a replay at the usual 100/s: p50", "ms"),
    Figure("usual_p99_ms", "p99", "ms"),
    Figure("usual_p99_ratio", "p99, ratio to alone", "", "< 1.1"),
    Figure("replaying_p50_ms", "live beside a replay at 500/s: p50", "ms"),
    Figure("replaying_p99_ms", "p99", "ms"),
    Figure("replaying_max_ms", "most", "ms"),
    Figure("p50_ratio", "p50, ratio to alone"),
    Figure("p99_ratio", "p99, ratio to alone", "", "< 1.1"),
    Figure("replayed_in_window", "share of its letters that was replayed in the window"),
    Figure("replayed_per_second", "replayed", "/s"),
)
LETTERS: Final = 100_000
ENDPOINTS: Final = 100
LIVE_PER_SECOND: Final = 500.0
REPLAY_PER_SECOND: Final = 500.0
WARM_UP_S: Final = 8.0
ALONE_S: Final = 30.0
USUAL_STATUS: Final = 500
FAST_STATUS: Final = 503
"""The statuses by which the letters for the second and the third window are told apart."""
REPLAYED_WITHIN_S: Final = 120.0


@contextmanager
def prepared(world: World) -> Iterator[Measure]:
    """Prepare nothing: a letter is replayed once."""

    def measure() -> dict[str, float]:
        with world.installed() as made, target() as receiver:
            return _measured(made, receiver, world.count(LETTERS), world.seconds(ALONE_S))

    yield measure


def _measured(made: Installation, receiver: Target, letters: int, alone_s: float) -> dict[str, float]:
    live = workload.subscribe(made, [f"{receiver.url}/ok/{number}" for number in range(ENDPOINTS)])
    dead = workload.subscribe(made, [f"{receiver.url}/well/{number}" for number in range(ENDPOINTS)])
    few = int(alone_s * DEFAULT_RATE_PER_S)
    workload.write_all(made, _letters(made, dead, letters, few))
    made.start("delivery", "delay", "replay")
    turns, make, writer = workload.in_turn(live), workload.Maker(made), Writer(made.settings)

    def window(seconds: float) -> Summary:
        from_ms = workload.steadily(writer, lambda: make(next(turns)), LIVE_PER_SECOND, seconds)
        time.sleep(1.0)
        return receiver.summary("/ok/", from_ms, from_ms + seconds * 1000)

    workload.steadily(writer, lambda: make(next(turns)), LIVE_PER_SECOND, min(WARM_UP_S, alone_s))
    alone = window(alone_s)
    _ask(made, Selection(http_status=USUAL_STATUS), DEFAULT_RATE_PER_S)
    usual = window(alone_s)
    _all_received(receiver, few)
    from_ms = workload.now()
    _ask(made, Selection(http_status=FAST_STATUS), REPLAY_PER_SECOND)
    beside = window((letters - few) / REPLAY_PER_SECOND)
    writer.close()
    within = receiver.summary("/well/").received - few
    _all_received(receiver, letters)
    took_s = (workload.now() - from_ms) / 1000
    return {
        "alone_p50_ms": alone.p50_ms,
        "alone_p99_ms": alone.p99_ms,
        "usual_p50_ms": usual.p50_ms,
        "usual_p99_ms": usual.p99_ms,
        "usual_p99_ratio": usual.p99_ms / alone.p99_ms,
        "replaying_p50_ms": beside.p50_ms,
        "replaying_p99_ms": beside.p99_ms,
        "replaying_max_ms": beside.max_ms,
        "p50_ratio": beside.p50_ms / alone.p50_ms,
        "p99_ratio": beside.p99_ms / alone.p99_ms,
        "replayed_in_window": within / (letters - few),
        "replayed_per_second": (letters - few) / took_s,
    }


def _all_received(receiver: Target, letters: int) -> None:
    """Return once so many letters were received again."""
    deadline_ms = workload.now() + 1000 * REPLAYED_WITHIN_S
    while (received := receiver.summary("/well/").received) < letters:
        assert workload.now() < deadline_ms, f"{received} of {letters} replayed"
        time.sleep(0.2)


def _letters(made: Installation, dead: list[Subscription], count: int, few: int) -> Iterator[Outgoing]:
    """Yield dead letters, the first `few` of them with the status of the second window."""
    make, turns = workload.Maker(made), workload.in_turn(dead)
    for number in range(count):
        status = USUAL_STATUS if number < few else FAST_STATUS
        progress = Progress(step=6, attempt=6, last_status=status, last_error=f"HTTP {status}")
        live = make(next(turns), progress)
        headers = [*live.headers, ("tocsin_reason", b"exhausted"), ("tocsin_fault", b"subscriber")]
        yield live._replace(topic=made.topics.dlq, headers=headers)


def _ask(made: Installation, selection: Selection, rate_per_s: float) -> None:
    now_ms = int(workload.now())
    name = jobs.new_name("replay", now_ms, os.urandom(3))
    request = ReplayRequest(name, "bench", now_ms, selection, rate_per_s=rate_per_s)
    made.write(JobRows(made.registry, made.topics).request(request))
