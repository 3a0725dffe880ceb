"""Writing subscriptions, so that whoever was answered reads back what was written.

The time from which a subscription counts is part of the record, so it is set before the write, for an acknowledgement
within `ACK_ALLOWANCE_S`. If that came later, the record is written again with more allowance: an answer never names a
time that is too early.

A change is written for the version that it was made of. Of two made of the same one the first in the log counts
(`subscriptions.supersedes`), so an answer waits until the own table has read what was written, and knows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from control.acknowledgement import ACK_MAX_S, acknowledged, read_back
from control.overtaken import CameSecond, Overtaken
from tocsin import failpoints, subscriptions
from tocsin.errors import NotAcknowledged
from tocsin.kafka.codec import Encoder
from tocsin.kafka.tables import Table
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.subscriptions import EFFECTIVE_MARGIN_S, Subscription

ACK_ALLOWANCE_S: Final = 0.25
"""An acknowledgement takes a few milliseconds; this is ample."""

_log = logging.getLogger("tocsin.control")


class Store:
    """The one writer of the subscriptions topic.

    Args:
        writer: Writes to Kafka.
        encode: Makes a subscription's record.
        table: The same topic, read.
        overtaken: What the table found to have come second.
        clock_ms: The time of day, milliseconds since the epoch.
    """

    def __init__(
        self,
        writer: Writer,
        encode: Encoder,
        table: Table[Subscription],
        overtaken: Overtaken,
        clock_ms: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._encode = encode
        self._table = table
        self._overtaken = overtaken
        self._clock_ms = clock_ms

    def put(self, subscription: Subscription) -> Subscription:
        """Write a version of a subscription and return it as it was written, with `effective_at` and offset.

        Raises:
            CameSecond: Another writer's version came first; the directory has it by now.
            NotAcknowledged: No acknowledgement in time; it may or may not be stored.
        """
        deadline = time.monotonic() + ACK_MAX_S
        allowance_ms = int(1000 * ACK_ALLOWANCE_S)
        offsets: list[int] = []
        while True:
            acknowledged_by = self._clock_ms() + allowance_ms
            version = replace(subscription, effective_at=acknowledged_by + int(1000 * EFFECTIVE_MARGIN_S))
            offsets.append(self._write(version.id, self._record(version), deadline))
            if self._clock_ms() <= acknowledged_by:
                break
            allowance_ms *= 2
        failpoints.hit("control.before_answer")
        self._settle(version, offsets, deadline)
        return replace(version, offset=offsets[-1])

    def remove(self, subscription: Subscription) -> None:
        """Delete a subscription.

        Raises:
            NotAcknowledged: No acknowledgement in time; it may or may not be deleted.
        """
        read_back(self._table, self._write(subscription.id, None))

    def mend(self) -> None:
        """Write again what counts of subscriptions whose last record came second; its writer did not get to it."""
        for key in self._overtaken.due():
            _log.warning(
                "%s: the last record of %s came second, what counts is written again", self._table.topic, key
            )
            self._writer.write(
                Outgoing(self._table.topic, key.encode(), self._winner(key)), _ignored, wanted=_once
            )

    def _settle(self, version: Subscription, offsets: Sequence[int], deadline: float) -> None:
        """Find out whether a version counts; the winner stands last in the log afterwards."""
        if not read_back(self._table, offsets[-1]) and version.version > 1:
            raise NotAcknowledged("it is written, but whether another change came first is not known")
        if self._overtaken.has(offsets[-1]):
            self._write(version.id, self._winner(version.id), deadline)
        if all(self._overtaken.has(offset) for offset in offsets):
            raise CameSecond(f"another version {version.version} of {version.id} came first")

    def _winner(self, key: str) -> bytes | None:
        counts = self._table.get(key)
        return None if counts is None else self._record(replace(counts, confirmed=True))

    def _record(self, version: Subscription) -> bytes:
        return self._encode(subscriptions.to_record(version))

    def _write(self, key: str, value: bytes | None, deadline: float | None = None) -> int:
        return acknowledged(self._writer, Outgoing(self._table.topic, key.encode(), value), deadline).offset


def _once() -> bool:
    """Not worth a second try: it comes due again."""
    return False


def _ignored(written: Written) -> None:
    """What became of it shows in the table."""
