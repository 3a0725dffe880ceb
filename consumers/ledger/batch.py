"""What was read, on its way into the store: records with what they say, and the positions that they move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from tocsin.kafka.reader import Part, Record

Identity = tuple[str, str, int]
"""`(delivery_id, run, step)`: of one try."""


class Told(NamedTuple):
    """A delivery that was set going.

    Attributes:
        fields: As in `schemas/pipeline/delivery.avsc`.
        at_ms: When it was appended, milliseconds since the epoch.
    """

    fields: Mapping[str, Any]
    run: str
    test: bool
    at_ms: int


class Tried(NamedTuple):
    """A decision about a try.

    Attributes:
        fields: As in `schemas/pipeline/attempt.avsc`.
        offset: In its partition of the attempts topic.
        at_ms: When it was appended, milliseconds since the epoch.
        quiet: What follows from it was announced before.
    """

    fields: Mapping[str, Any]
    offset: int
    at_ms: int
    quiet: bool = False

    @property
    def identity(self) -> Identity:
        return self.fields["delivery_id"], self.fields["run"], self.fields["step"]


Entry = Told | Tried


class Taken(NamedTuple):
    """A record that was read; its entry is None where it tells the log nothing."""

    record: Record
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are projected together.

    Attributes:
        begin: The position that the store must have for each partition.
        taken: The records, each partition's in the order of their offsets.
    """

    begin: Mapping[Part, int]
    taken: Sequence[Taken]

    @property
    def entries(self) -> Iterator[Entry]:
        return (taken.entry for taken in self.taken if taken.entry is not None)

    def last(self) -> dict[Part, Record]:
        """Return the last record of each partition: its offset and append time are those of the new position."""
        return {taken.record.part: taken.record for taken in self.taken}

    def halves(self) -> tuple[Batch, Batch]:
        """Return it as two batches, to be projected one after the other."""
        middle = len(self.taken) // 2
        first = _of(self.begin, self.taken[:middle])
        after = {part: record.offset + 1 for part, record in first.last().items()}
        return first, _of({**self.begin, **after}, self.taken[middle:])

    def without_entries(self) -> Batch:
        """Return a batch that only moves the positions."""
        return replace(self, taken=[Taken(taken.record, None) for taken in self.taken])


def _of(begin: Mapping[Part, int], taken: Sequence[Taken]) -> Batch:
    parts = {each.record.part for each in taken}
    return Batch({part: begin[part] for part in parts}, taken)
