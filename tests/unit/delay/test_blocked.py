"""What is due and may not be sent yet is waited with, not asked about all the time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from consumers.delay.program import Delaying
from tocsin.deliveries import Progress, progress_headers
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Reader, Record
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing, Writer
from tocsin.lifecycle import Stop
from tocsin.telemetry.program import Telemetry

TOPICS = Topics("test")
DUE = Record(
    TOPICS.delay("5s"),
    0,
    0,
    1,
    b"wh",
    b"value",
    [("tocsin_delivery_id", b"d"), *progress_headers(Progress())],
    0,
)
NOW_MS = 5_000.0


class Member:
    """A reader that has one record, and asks the program to stop with its third poll."""

    def __init__(self, stop: Stop, *, leased: bool) -> None:
        self._stop = stop
        self._leased = leased
        self.waited_s: list[float] = []

    def poll(self, timeout_s: float) -> Sequence[Record]:
        self.waited_s.append(timeout_s)
        if len(self.waited_s) == 3:
            self._stop.asked.set()
        return [DUE] if len(self.waited_s) == 1 else []

    def owns(self, record: Record) -> bool:
        return True

    def alive(self) -> bool:
        return self._leased


class Sent:
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.outgoing: list[Outgoing] = []

    def write(self, outgoing: Outgoing, *_: Any, **__: Any) -> None:
        self.outgoing.append(outgoing)

    def check(self) -> None:
        """Nothing has failed."""


def run(*, leased: bool) -> tuple[Member, Sent]:
    """Run until the third poll; the record is due with the first."""
    stop = Stop(1.0)
    member, sent = Member(stop, leased=leased), Sent()
    delaying = Delaying(
        TOPICS, cast(Writer, sent), cast(Quarantine, None), lambda: NOW_MS, Telemetry("delay")
    )
    delaying.reader = cast(Reader, member)
    delaying.run(stop)
    return member, sent


def test_polls_wait_while_something_is_due_that_may_not_be_sent() -> None:
    """Else a program whose lease has run out would take a whole processor until it has one again."""
    member, sent = run(leased=False)
    assert sent.outgoing == []
    assert all(member.waited_s)


def test_what_is_due_is_sent_on_at_once_when_it_may() -> None:
    _, sent = run(leased=True)
    assert [outgoing.topic for outgoing in sent.outgoing] == [TOPICS.redeliveries]
