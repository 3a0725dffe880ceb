"""Quarantine: a record nobody can read is set aside with its bytes and the reason, and the process lives on."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tocsin.kafka import pipeline
from tocsin.kafka.reader import Record
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.telemetry.meter import Counter

REASON_MAX_CHARS = 500


class Quarantine:
    """Writes to the quarantine topic on behalf of one program.

    Attributes:
        taken: How many records were set aside, by the topic they came from.
    """

    def __init__(self, writer: Writer, registry: Registry, topics: Topics, program: str) -> None:
        self._writer = writer
        self._topic = topics.quarantine
        self._program = program
        self._log = logging.getLogger(f"tocsin.{program}")
        self.taken = Counter()
        self._encode = pipeline.encoder(registry, topics, "quarantined")

    def put(self, record: Record, reason: str, done: Callable[[], None]) -> None:
        """Set a record aside and tell so; `done` is called once that is acknowledged.

        If it can never be, the writer fails and with it the program: committing past a record that stands
        nowhere would lose it.
        """
        self._log.error(
            "%s %d offset %d goes to quarantine: %s", record.topic, record.partition, record.offset, reason
        )
        self.taken.add(record.topic)
        reason = reason[:REASON_MAX_CHARS]
        source = f"{record.topic}/{record.partition}/{record.offset}"
        value = {
            "source_topic": record.topic,
            "source_partition": record.partition,
            "source_offset": record.offset,
            "source_timestamp": max(record.timestamp_ms, 0),
            "program": self._program,
            "reason": reason,
            "key": record.key,
            "value": record.value,
            "headers": [{"name": name, "value": data} for name, data in record.headers],
        }

        def written(outcome: Written) -> None:
            if outcome.error is not None:
                raise RuntimeError(f"quarantine of {source} failed: {outcome.error}")
            done()

        self._writer.write(
            Outgoing(
                self._topic,
                record.topic.encode(),
                self._encode(value),
                [
                    ("tocsin_reason", reason.encode()),
                    ("tocsin_source", source.encode()),
                ],
            ),
            written,
        )
