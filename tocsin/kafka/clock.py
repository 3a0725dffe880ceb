"""The broker's clock, as a program may rely on it: never ahead of the broker, however wrong this machine's clock is.

Delays are counted from the broker's append times, so the end of a delay must be told by the same clock. A record
that is appended tells the broker's time; from its acknowledgement on this machine's monotonic clock counts. Between
append and acknowledgement a moment passes, by which this clock is behind: late by milliseconds, never early.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from tocsin.errors import KafkaUnavailable
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.settings import Settings

SKEW_MAX_S: Final = 60.0
"""Further off no program starts: signatures carry the time, and receivers refuse those that are minutes off."""

ASK_EVERY_S: Final = 10.0
"""Quartz clocks drift by less than a millisecond in this time."""


class BrokerClock:
    """The broker's time of day.

    Args:
        writer: Writes the records that are asked with.
        topic: A topic with LogAppendTime.
        monotonic_s: This machine's monotonic clock.
    """

    def __init__(self, writer: Writer, topic: str, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._writer = writer
        self._topic = topic
        self._monotonic_s = monotonic_s
        self._known = threading.Event()
        self._answer = (0, 0.0)
        self._asked_at_s = float("-inf")

    def start(self, timeout_s: float = 10.0) -> None:
        """Ask for the first time; may be called again after it raised.

        Raises:
            KafkaUnavailable: No answer within `timeout_s`.
        """
        self._ask()
        if not self._known.wait(timeout_s):
            raise KafkaUnavailable("the broker's time is not known")

    def now_ms(self) -> float:
        """Return the broker's time, milliseconds since the epoch; asks again when that was long ago."""
        now_s = self._monotonic_s()
        if now_s - self._asked_at_s > ASK_EVERY_S:
            self._ask()
        told_ms, at_s = self._answer
        return told_ms + (now_s - at_s) * 1000

    def _ask(self) -> None:
        self._asked_at_s = self._monotonic_s()
        self._writer.write(Outgoing(self._topic, None, b""), self._told)

    def _told(self, written: Written) -> None:
        if written.error is None:
            self._answer = (written.timestamp_ms, self._monotonic_s())
            self._known.set()


def skew_s(settings: Settings, topic: str) -> float:
    """Return by how many seconds this machine's clock is ahead of the broker's.

    Raises:
        KafkaUnavailable: No answer.
    """
    writer = Writer(settings, linger_ms=0)
    try:
        clock = BrokerClock(writer, topic)
        clock.start()
        return time.time() - clock.now_ms() / 1000
    finally:
        writer.close()
