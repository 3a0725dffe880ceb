"""What a record tells the delivery log."""

from __future__ import annotations

from typing import Final

from consumers.ledger.batch import Entry, Told, Tried
from tocsin.deliveries import LIVE_RUN
from tocsin.errors import Undecodable
from tocsin.kafka import pipeline
from tocsin.kafka.reader import Record
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics

ID_MAX_CHARS: Final = 36


class Reading:
    """Reads the records of the ledger's topics."""

    def __init__(self, registry: Registry, topics: Topics) -> None:
        self._attempts = topics.attempts
        self._redeliveries = topics.redeliveries
        self._attempt = pipeline.decoder(registry, "attempt")
        self._delivery = pipeline.decoder(registry, "delivery")

    def read(self, record: Record, *, quiet: bool) -> Entry | None:
        """Return what a record tells; None for a due retry, whose delivery has been told before.

        Args:
            record: A record of the attempts, deliveries or redeliveries topic.
            quiet: What follows from it was announced before.

        Raises:
            Undecodable: The record is poison.
            RegistryUnavailable: Its schema could not be looked up now.
        """
        at_ms = max(record.timestamp_ms, 0)
        if record.topic == self._attempts:
            fields = self._attempt(record.value, record.headers).record
            entry: Entry = Tried(fields, record.offset, at_ms, quiet)
        else:
            headers = dict(record.headers)
            if record.topic == self._redeliveries and (headers.get("tocsin_step") or b"0") != b"0":
                return None
            run = (headers.get("tocsin_run") or b"").decode("utf-8", "replace")
            fields = self._delivery(record.value, record.headers).record
            entry = Told(fields, run or LIVE_RUN, headers.get("tocsin_test") == b"1", at_ms)
        if len(fields["delivery_id"]) > ID_MAX_CHARS:
            raise Undecodable("the delivery id is not a UUID")
        return entry
