"""The cluster a command talks to: asked once whether it is there, so that a command fails soon and plainly."""

from __future__ import annotations

import threading
from functools import cached_property

from confluent_kafka import KafkaException

from tocsin import settings as settings_module
from tocsin.cli.failure import Failure
from tocsin.errors import KafkaUnavailable, NotAcknowledged
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
        return Registry(self.settings.registry)

    def partitions(self, topic: str) -> range:
        """Return a topic's partitions.

        Raises:
            Failure: There is no such topic.
        """
        size = self._sizes.get(topic)
        if size is None:
            raise Failure(
                f"{self.settings.kafka} has no topic {topic}; the programs make it when they start (`make up`), "
                "TOCSIN_TOPIC_PREFIX names another installation"
            )
        return range(size)

    def ensure_topics(self) -> None:
        """Make the installation's topics that are missing: for what may come before any program has run."""
        from tocsin.wire.systems import load_systems

        if topics.ensure(self.settings, load_systems()):
            self._sizes = self._ask()

    def store(self, record: Outgoing, timeout_s: float = _ACKNOWLEDGE_S) -> Written:
        """Write one record and return once it is acknowledged.

        Raises:
            NotAcknowledged: It was not, in time.
            Failure: The broker refuses it for good.
        """
        writer, answered, results = Writer(self.settings), threading.Event(), list[Written]()

        def done(written: Written) -> None:
            results.append(written)
            answered.set()

        try:
            writer.write(record, done)
            if not answered.wait(timeout_s):
                raise NotAcknowledged(f"{record.topic} did not acknowledge within {timeout_s:.0f} s")
        finally:
            writer.close()
        if results[0].error is not None:
            raise Failure(f"{record.topic} refuses the record: {results[0].error}")
        return results[0]

    def _ask(self) -> dict[str, int]:
        try:
            found = clients.admin(self.settings).list_topics(timeout=_ANSWER_S).topics
        except KafkaException as error:
            raise KafkaUnavailable(f"Kafka at {self.settings.kafka} does not answer") from error
        return {name: len(topic.partitions) for name, topic in found.items()}
