"""What the event loop holds of one record that is on its way through this process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, cast

from tocsin.deliveries import Delivery, Progress, Source
from tocsin.kafka.reader import Part, Record
from tocsin.telemetry.tracing import Span


@dataclass(slots=True, eq=False)
class Work:
    """One record on its way through this process.

    Attributes:
        part: The partition whose window it fills.
        endpoint: Whose lane it waits in.
        source: The record that is decided about.
        task: The running attempt, while there is one.
        cut: Its attempt is cancelled because the process, or its share of the partitions, ends.
        open: Its offset is neither finished nor given up.
        span: Of its attempt, if that is sampled.
    """

    record: Record
    delivery: Delivery
    progress: Progress
    identity: str
    live: bool
    part: Part = field(init=False)
    endpoint: str = field(init=False)
    source: Source = field(init=False)
    task: asyncio.Task[None] | None = None
    cut: bool = False
    open: bool = False
    span: Span | None = None

    def __post_init__(self) -> None:
        # Asked for many times each.
        self.part = self.record.part
        self.endpoint = self.delivery.subscription_id
        self.source = Source(self.record.topic, self.record.partition, self.record.offset)

    @property
    def given_up(self) -> bool:
        """Whether nothing may be sent of it any more."""
        return self.cut or not self.open

    def cancel(self) -> None:
        """Cancel its attempt, if it has begun.

        A task that is cancelled before its first step never takes one, and what it should end counts as open for ever:
        one that has not begun sees with that step that its work is given up.
        """
        if self.task is not None and getcoroutinestate(cast(Any, self.task.get_coro())) != CORO_CREATED:
            self.task.cancel()
