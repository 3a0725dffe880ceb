"""Where audit entries are written."""

from __future__ import annotations

from tocsin import audit
from tocsin.audit import Entry
from tocsin.kafka import pipeline
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing


class Trail:
    """Makes the records of audit entries, in order for each organization; raises as `Registry.register`."""

    def __init__(self, registry: Registry, topics: Topics) -> None:
        self._topic = topics.audit
        self._encode = pipeline.encoder(registry, topics, "audit_entry")

    def record(self, entry: Entry) -> Outgoing:
        """Return the record of an entry."""
        value = self._encode(audit.to_record(entry))
        return Outgoing(self._topic, entry.organization.encode(), value)
