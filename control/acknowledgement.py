"""A write that a request waits for."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Final

from tocsin.errors import NotAcknowledged
from tocsin.kafka.writer import Outgoing, Writer, Written

ACK_MAX_S: Final = 5.0
"""How long a caller waits for the broker."""


def acknowledged(writer: Writer, record: Outgoing, deadline_s: float) -> Written:
    """Write a record and return once the broker has acknowledged it.

    Args:
        deadline_s: Until when, on the monotonic clock.

    Raises:
        NotAcknowledged: No acknowledgement in time; it may or may not be stored.
    """
    ended: Future[Written] = Future()
    writer.write(record, ended.set_result, wanted=lambda: time.monotonic() < deadline_s)
    try:
        written = ended.result(max(0.0, deadline_s - time.monotonic()))
    except TimeoutError:
        raise NotAcknowledged(f"no acknowledgement within {ACK_MAX_S:.0f} s") from None
    if written.error is not None:
        raise NotAcknowledged(f"the broker refuses the record: {written.error}")
    return written
