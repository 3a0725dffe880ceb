"""The broker's clock is never ahead of the broker, whatever this machine's clock says."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tocsin.kafka.clock import ASK_EVERY_S, BrokerClock
from tocsin.kafka.writer import Written


class Broker:
    """Somebody else's clock: takes a record and acknowledges it some time later."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.pending: list[tuple[float, Any]] = []

    def write(self, record: Any, done: Any) -> None:
        self.pending.append((self.now_s, done))

    def acknowledge(self) -> None:
        for appended_s, done in self.pending:
            done(Written(0, 0, None, int(appended_s * 1000)))
        self.pending.clear()


def made(broker: Broker) -> BrokerClock:
    stand_in: Any = broker
    clock = BrokerClock(stand_in, "clock", lambda: broker.now_s)
    clock._ask()
    return clock


@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.floats(0.0, 5.0)), max_size=20))
def test_clock_is_never_ahead_and_behind_by_no_more_than_the_slowest_answer(
    steps: list[tuple[float, float]],
) -> None:
    broker = Broker()
    clock = made(broker)
    broker.acknowledge()
    slowest_s = 0.0
    for passes_s, answer_s in steps:
        broker.now_s += passes_s
        clock.now_ms()
        broker.now_s += answer_s
        slowest_s = max(slowest_s, answer_s + passes_s)
        broker.acknowledge()
        behind_ms = broker.now_s * 1000 - clock.now_ms()
        assert -0.01 <= behind_ms <= slowest_s * 1000 + 1.01


def test_clock_asks_again_after_a_while() -> None:
    broker = Broker()
    clock = made(broker)
    broker.acknowledge()
    clock.now_ms()
    assert not broker.pending
    broker.now_s += ASK_EVERY_S + 1
    clock.now_ms()
    assert len(broker.pending) == 1
