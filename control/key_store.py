"""API keys on Kafka: read as a table, changed by acknowledged writes, and read back before anybody is answered."""

from __future__ import annotations

from control.acknowledgement import acknowledged, read_back
from tocsin import keys
from tocsin.kafka.codec import Encoder
from tocsin.kafka.tables import Table
from tocsin.kafka.writer import Outgoing, Writer
from tocsin.keys import ApiKey


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
        read_back(self._table, acknowledged(self._writer, record).offset)
