"""API keys on Kafka: read as a table, changed by acknowledged writes, and read back before anybody is answered."""

from __future__ import annotations

import logging
import time
from typing import Final

from control.acknowledgement import ACK_MAX_S, acknowledged
from tocsin import keys
from tocsin.kafka.codec import Encoder
from tocsin.kafka.tables import Table
from tocsin.kafka.writer import Outgoing, Writer
from tocsin.keys import ApiKey

READ_BACK_MAX_S: Final = 5.0

_log = logging.getLogger("tocsin.control")


class KeyStore:
    """Every API key there is.

    Args:
        table: The keys topic, read.
        writer: Writes to Kafka.
        encode: Makes a key's record.
    """

    def __init__(self, table: Table[ApiKey], writer: Writer, encode: Encoder) -> None:
        self._table = table
        self._writer = writer
        self._encode = encode

    def get(self, key_id: str) -> ApiKey | None:
        """Return a key, or None."""
        return self._table.get(key_id)

    def rows(self) -> list[ApiKey]:
        """Return every key, of every organization."""
        return self._table.rows()

    def put(self, key: ApiKey) -> None:
        """Write a key; it counts here once this returns, and everywhere within seconds.

        Raises:
            NotAcknowledged: No acknowledgement in time; it may or may not be stored.
        """
        record = Outgoing(self._table.topic, key.id.encode(), self._encode(keys.to_record(key)))
        written = acknowledged(self._writer, record, time.monotonic() + ACK_MAX_S)
        if not self._table.wait_for(written.offset, READ_BACK_MAX_S):
            _log.error("%s: offset %d is written but not read back yet", record.topic, written.offset)
