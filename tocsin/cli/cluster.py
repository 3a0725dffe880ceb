"""The cluster a command talks to: asked once whether it is there, so that a command fails soon and plainly."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial

from confluent_kafka import KafkaException

from tocsin import settings as settings_module
from tocsin.cli.failure import Failure
from tocsin.errors import KafkaRefuses, KafkaUnavailable, NotAcknowledged
from tocsin.kafka import clients, topics
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.settings import Settings

_ANSWER_S = 3.0
_ACKNOWLEDGE_S = 10.0


class Cluster:
    """A Kafka cluster that answered, with the installation's topics and registry.

    Raises:
        KafkaUnavailable: No broker answers.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or settings_module.load()
        self.topics = Topics(self.settings.topic_prefix)
        self._sizes = self._ask()

    @cached_property
    def registry(self) -> Registry:
        """The schema registry; reached at its first use."""
        return Registry(self.settings)

    def partitions(self, topic: str) -> range:
        """Return a topic's partitions.

        Raises:
            Failure: There is no such topic.
        """
        size = self._sizes.get(topic)
        if size is None:
            raise Failure(
                f"{self.settings.kafka} has no topic {topic}; `tocsin topics create` makes it, "
                "TOCSIN_TOPIC_PREFIX names another installation"
            )
        return range(size)

    def ensure_topics(self) -> None:
        """Make the installation's topics that are missing: for what may come before any program has run."""
        from tocsin.wire.systems import load_systems

        if self.settings.create_topics and topics.ensure(self.settings, load_systems()):
            self._sizes = self._ask()

    def store(self, record: Outgoing, timeout_s: float = _ACKNOWLEDGE_S) -> Written:
        """Write one record and return once it is acknowledged.

        Raises:
            NotAcknowledged: It was not, in time.
            Failure: The broker refuses it for good.
        """
        return self.store_all([record], timeout_s)[0]

    def store_all(self, records: Sequence[Outgoing], timeout_s: float = _ACKNOWLEDGE_S) -> list[Written]:
        """Write records and return once all are acknowledged, each in its place; raises as `store`."""
        stored, failed = self.store_some(records, timeout_s)
        if failed is not None:
            raise failed
        return [stored[number] for number in range(len(records))]

    def store_some(
        self, records: Sequence[Outgoing], timeout_s: float = _ACKNOWLEDGE_S
    ) -> tuple[dict[int, Written], NotAcknowledged | Failure | None]:
        """Write records and return those that are acknowledged, by their place, and what kept the first of the others.

        One that is missing for a `NotAcknowledged` may or may not be stored.
        """
        results: dict[int, Written] = {}
        writer = Writer(self.settings)
        try:
            for number, record in enumerate(records):
                writer.write(record, partial(results.__setitem__, number))
            writer.flush(timeout_s)
            why = f" ({writer.complaint})" if writer.complaint else ""
        finally:
            writer.close()
        stored = {number: written for number, written in results.items() if written.error is None}
        for number, record in enumerate(records):
            if number not in results:
                said = f"{record.topic} did not acknowledge within {timeout_s:.0f} s{why}"
                return stored, NotAcknowledged(said)
            if number not in stored:
                return stored, Failure(f"{record.topic} refuses the record: {results[number].error}")
        return stored, None

    def _ask(self) -> dict[str, int]:
        try:
            found = clients.admin(self.settings).list_topics(timeout=_ANSWER_S).topics
        except KafkaException as error:
            where = f"Kafka at {self.settings.kafka}"
            told = clients.unavailable(where, error)
            # That nothing answers, the client says in many words.
            raise (
                told if isinstance(told, KafkaRefuses) else KafkaUnavailable(f"{where} does not answer")
            ) from error
        return {name: len(topic.partitions) for name, topic in found.items()}
