"""What a job works through: where it looks, and what it sets going of what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from tocsin.errors import TocsinError
from tocsin.kafka.writer import Outgoing


class Refused(TocsinError):
    """The job cannot be run, now or later; the message says why."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What is fixed before a job begins, so that it means the same after every crash.

    Attributes:
        end: Partition of the topic that is read to the offset where the job ends.
        honours: The purges that were done by then.
        bounds: Other topics to the offset up to which they are asked.
    """

    end: Mapping[int, int]
    honours: tuple[str, ...] = ()
    bounds: Mapping[str, int] = field(default_factory=dict)


class Found(NamedTuple):
    """One record that a job looked at.

    Attributes:
        delivery_id: The delivery that it means; None if it means none.
        make: Makes the record that sets it going.
    """

    partition: int
    offset: int
    delivery_id: str | None = None
    make: Callable[[], Outgoing] | None = None


class Source(Protocol):
    """Where a job looks. It never looks at anything that was written after it was settled."""

    def settle(self) -> Settled:
        """Fix what the job means; Refused if it can mean nothing."""

    def open(self, settled: Settled, idle: Callable[[], None]) -> None:
        """Look up what `find` needs, once before it; Refused if the job cannot go on. `idle` is as in `find`."""

    def find(
        self, settled: Settled, start: Mapping[int, int], end: Mapping[int, int], idle: Callable[[], None]
    ) -> Iterator[Found]:
        """Yield records, each partition's in order, from `start` on and before `end`.

        Args:
            idle: Called whenever there is nothing for a moment; what it raises ends the reading.
        """
