"""What the event loop holds of one record that is on its way through this process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, cast

from tocsin.deliveries import Delivery, Progress, Source
from tocsin.kafka.reader import Part, Record
from tocsin.telemetry.tracing import Span


@dataclass(slots=True, eq=False)
class Work:
    """One record on its way through this process.

    Attributes:
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
    task: asyncio.Task[None] | None = None
    cut: bool = False
    open: bool = False
    span: Span | None = None

    @property
    def endpoint(self) -> str:
        """Whose lane it waits in."""
        return self.delivery.subscription_id

    @property
    def crowd(self) -> Part:
        """The partition whose window it fills."""
        return self.record.part

    @property
    def source(self) -> Source:
        """The record that is decided about."""
        return Source(self.record.topic, self.record.partition, self.record.offset)

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
