"""The installation's backlog as metrics: asked for on a thread of its own, and never older than it may be."""

from __future__ import annotations

import threading

from control.backlog import Backlog, Waiting
from control.installation import AGAIN_S, KEPT_S, Gauges
from tocsin.errors import KafkaUnavailable
from tocsin.telemetry import metrics
from tocsin.telemetry.meter import Meter

KNOWN = Backlog(
    7,
    0,
    {"5s": Waiting(2, 4.0), "1m": Waiting(3), "5m": Waiting(0)},
    1.5,
    lag={("router", "tocsin.events.x"): 4},
)


class World:
    """Kafka, as far as it answers, and a clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.answers: Backlog | None = KNOWN
        self.asked = threading.Semaphore(0)
        self.meter = Meter("control")
        Gauges(self.read, lambda: self.now_s).watch(self.meter)

    def read(self) -> Backlog:
        self.asked.release()
        if self.answers is None:
            raise KafkaUnavailable("no answer")
        return self.answers

    def await_answer(self) -> None:
        """Return once Kafka was asked once more, and what it said is known."""
        assert self.asked.acquire(timeout=10)
        for thread in threading.enumerate():
            if thread.name == "backlog":
                thread.join(10)


def test_backlog_is_told_once_it_is_known_and_not_when_it_has_become_old() -> None:
    world = World()
    world.meter.read(metrics.BACKLOG)
    world.await_answer()
    assert world.meter.read(metrics.BACKLOG).points == {
        ("live",): 7, ("due",): 0, ("5s",): 2, ("1m",): 3, ("5m",): 0,
    }  # fmt: skip
    # Of the minute's oldest nothing is known, and nothing is told.
    assert world.meter.read(metrics.BACKLOG_AGE).points == {
        ("live",): 1.5, ("due",): 0, ("5s",): 4.0, ("5m",): 0,
    }  # fmt: skip
    assert world.meter.read(metrics.LAG).points == {("router", "tocsin.events.x"): 4}
    world.answers = None
    world.now_s = AGAIN_S + 1
    assert world.meter.read(metrics.BACKLOG).points
    world.await_answer()
    world.now_s = KEPT_S + 1
    assert world.meter.read(metrics.BACKLOG).points == {}
    world.await_answer()
