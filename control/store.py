"""Writing subscriptions, so that whoever was answered reads back what was written.

The time from which a subscription counts is part of the record, so it is set before the write, for an acknowledgement
within `ACK_ALLOWANCE_S`. If that came later, the record is written again with more allowance: an answer never names a
time that is too early.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Final

from tocsin import subscriptions
from tocsin.errors import NotAcknowledged
from tocsin.kafka.codec import Encoder
from tocsin.kafka.tables import Table
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.subscriptions import EFFECTIVE_MARGIN_S, Subscription

ACK_MAX_S: Final = 5.0
"""How long a caller waits for the broker."""
ACK_ALLOWANCE_S: Final = 0.25
"""An acknowledgement takes a few milliseconds; this is ample."""
READ_BACK_MAX_S: Final = 5.0

_log = logging.getLogger("tocsin.control")


class Store:
    """The one writer of the subscriptions topic.

    Args:
        writer: Writes to Kafka.
        encode: Makes a subscription's record.
        table: The same topic, read.
        clock_ms: The time of day, milliseconds since the epoch.
    """

    def __init__(
        self, writer: Writer, encode: Encoder, table: Table[Subscription], clock_ms: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._encode = encode
        self._table = table
        self._clock_ms = clock_ms

    def put(self, subscription: Subscription) -> Subscription:
        """Write a version of a subscription and return it as it was written, with `effective_at` and offset.

        Raises:
            NotAcknowledged: No acknowledgement in time; it may or may not be stored.
        """
        deadline = time.monotonic() + ACK_MAX_S
        allowance_ms = int(1000 * ACK_ALLOWANCE_S)
        while True:
            acknowledged_by = self._clock_ms() + allowance_ms
            version = replace(subscription, effective_at=acknowledged_by + int(1000 * EFFECTIVE_MARGIN_S))
            offset = self._write(version.id, self._encode(subscriptions.to_record(version)), deadline)
            if self._clock_ms() <= acknowledged_by:
                break
            allowance_ms *= 2
        self._read_back(offset)
        return replace(version, offset=offset)

    def remove(self, subscription: Subscription) -> None:
        """Delete a subscription; raises as `put`."""
        self._read_back(self._write(subscription.id, None, time.monotonic() + ACK_MAX_S))

    def _write(self, key: str, value: bytes | None, deadline: float) -> int:
        ended: Future[Written] = Future()
        self._writer.write(
            Outgoing(self._table.topic, key.encode(), value),
            ended.set_result,
            wanted=lambda: time.monotonic() < deadline,
        )
        try:
            written = ended.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise NotAcknowledged(f"no acknowledgement within {ACK_MAX_S:.0f} s") from None
        if written.error is not None:
            raise NotAcknowledged(f"the broker refuses the record: {written.error}")
        return written.offset

    def _read_back(self, offset: int) -> None:
        if not self._table.wait_for(offset, READ_BACK_MAX_S):
            # It is stored, and an error would take a secret from its owner that is shown but once.
            _log.error("%s: offset %d is written but not read back yet", self._table.topic, offset)
