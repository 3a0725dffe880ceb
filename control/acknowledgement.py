"""A write that a request waits for, and reading it back."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future
from typing import Any, Final

from tocsin.errors import NotAcknowledged
from tocsin.kafka.tables import Table
from tocsin.kafka.writer import Outgoing, Writer, Written

ACK_MAX_S: Final = 5.0
"""How long a caller waits for the broker."""
READ_BACK_MAX_S: Final = 5.0

_log = logging.getLogger("tocsin.control")


def acknowledged(writer: Writer, record: Outgoing, deadline_s: float | None = None) -> Written:
    """Write a record and return once the broker has acknowledged it.

    Args:
        deadline_s: Until when, on the monotonic clock; None, for as long as a caller waits.

    Raises:
        NotAcknowledged: No acknowledgement in time; it may or may not be stored.
    """
    until_s = time.monotonic() + ACK_MAX_S if deadline_s is None else deadline_s
    ended: Future[Written] = Future()
    writer.write(record, ended.set_result, wanted=lambda: time.monotonic() < until_s)
    try:
        written = ended.result(max(0.0, until_s - time.monotonic()))
    except TimeoutError:
        raise NotAcknowledged(f"no acknowledgement within {ACK_MAX_S:.0f} s") from None
    if written.error is not None:
        raise NotAcknowledged(f"the broker refuses the record: {written.error}")
    return written


def read_back(table: Table[Any], offset: int) -> bool:
    """Return once a table has read what was written at an offset, and whether it has in time.

    If not, it is stored all the same, and an error would take a secret from its owner that is shown but once.
    """
    if table.wait_for(offset, READ_BACK_MAX_S):
        return True
    _log.error("%s: offset %d is written but not read back yet", table.topic, offset)
    return False
