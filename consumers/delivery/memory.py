"""The memory of what was decided: whoever meets an identity a second time drops it.

Read again at the same offset, a decision's effect is repeated, never its POST. Met at another offset, the record is
a copy that a crash elsewhere left behind, and the other offset takes care of the effect.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from tocsin.deliveries import Source

REMEMBERED_MAX: Final = 300_000
"""Decisions kept per process, some 60 MB: more than a minute at full speed, where a takeover takes 15 s."""


@dataclass(frozen=True, slots=True)
class Known:
    """A decision that was met again.

    Attributes:
        same_record: Whether it was decided about this very record.
        packed: The decision, packed.
    """

    same_record: bool
    packed: bytes


class Memory:
    """Decisions by identity, the oldest forgotten first."""

    def __init__(self, most: int = REMEMBERED_MAX) -> None:
        self._most = most
        self._decided: OrderedDict[bytes, tuple[int, int, bytes]] = OrderedDict()
        self._topics: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._decided)

    def add(self, identity: str, source: Source, packed: bytes) -> None:
        """Remember a decision; the first about an identity counts."""
        self._decided.setdefault(_digest(identity), (self._number(source.topic), source.offset, packed))
        if len(self._decided) > self._most:
            self._decided.popitem(last=False)

    def find(self, identity: str, source: Source) -> Known | None:
        """Return what was decided about an identity, or None."""
        found = self._decided.get(_digest(identity))
        if found is None:
            return None
        topic, offset, packed = found
        return Known((topic, offset) == (self._number(source.topic), source.offset), packed)

    def _number(self, topic: str) -> int:
        return self._topics.setdefault(topic, len(self._topics))


def _digest(identity: str) -> bytes:
    return blake2b(identity.encode(), digest_size=16).digest()
