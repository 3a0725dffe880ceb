"""A topic read backwards, the newest record first: for lists that people look at from their end.

Only for topics with the broker's own times, which grow with the offsets of a partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from confluent_kafka import Message

from tocsin.kafka import snapshot
from tocsin.settings import Settings

BLOCK: Final = 250
"""How many records of a partition are read at first; twice as many each time, because whoever goes on may go far."""
BLOCK_MAX: Final = 4_000


class Place(NamedTuple):
    """Where a record stands in this order: by its time, then by its partition and offset."""

    timestamp_ms: int
    partition: int
    offset: int


@dataclass(slots=True)
class _Part:
    """One partition: what is read of it and not yielded yet, oldest first; and how far is still to be read."""

    number: int
    low: int
    end: int
    block: int
    read: list[Message] = field(default_factory=list)


def newest(
    settings: Settings,
    topic: str,
    *,
    partition: int | None = None,
    before: Place | None = None,
    check: Callable[[], None] | None = None,
    block: int = BLOCK,
) -> Iterator[Message]:
    """Yield the records of a topic as it stands at this moment, the newest first.

    Args:
        partition: Only this one's; None for all.
        before: Only those that come after this place in the order; None for all.
        check: Called while there is nothing for a moment; what it raises ends the reading.

    Raises:
        KafkaUnavailable: No answer, or no such topic.
    """
    parts = [
        _Part(number, low, end, block)
        for number, (low, end) in _bounds(settings, topic, before).items()
        if partition in (None, number)
    ]
    while parts := _filled(settings, topic, parts, check):
        part = max(parts, key=lambda each: place(each.read[-1]))
        message = part.read.pop()
        if before is None or place(message) < before:
            yield message


def place(message: Message) -> Place:
    """Return where a record stands in the order."""
    return Place(message.timestamp()[1], message.partition() or 0, message.offset() or 0)


def _bounds(settings: Settings, topic: str, before: Place | None) -> Mapping[int, tuple[int, int]]:
    bounds = snapshot.bounds(settings, topic)
    if before is None:
        return bounds
    later = snapshot.since(settings, topic, before.timestamp_ms + 1)
    return {number: (low, later.get(number, end)) for number, (low, end) in bounds.items()}


def _filled(
    settings: Settings, topic: str, parts: list[_Part], check: Callable[[], None] | None
) -> list[_Part]:
    """Return the partitions that have something left, each with its newest record read."""
    while empty := [part for part in parts if not part.read and part.end > part.low]:
        starts = {part.number: max(part.end - part.block, part.low) for part in empty}
        by_number = {part.number: part for part in empty}
        ends = {part.number: part.end for part in empty}
        for message in snapshot.read(settings, topic, ends, start=starts, idle=check):
            by_number[message.partition() or 0].read.append(message)
        for part in empty:
            part.end, part.block = starts[part.number], min(2 * part.block, BLOCK_MAX)
    return [part for part in parts if part.read]
