"""Deliveries that the API itself sets going: tests that an owner asks for, and resends."""

from __future__ import annotations

from control.acknowledgement import acknowledged
from tocsin import deliveries, events, fanout
from tocsin.deliveries import Delivery, Progress
from tocsin.events import Event
from tocsin.kafka.codec import Encoder
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing, Writer


class Outbox:
    """Writes deliveries as the router writes them.

    Args:
        writer: Writes to Kafka.
        encode: Makes the value of a delivery.
        topics: Where live work and redeliveries go.
    """

    def __init__(self, writer: Writer, encode: Encoder, topics: Topics) -> None:
        self._writer = writer
        self._encode = encode
        self._topics = topics

    def test(self, event: Event, delivery: Delivery) -> None:
        """Set a test going.

        Raises:
            NotAcknowledged: No acknowledgement in time; it may or may not be sent.
        """
        self._send(self._topics.deliveries, event, delivery, Progress(test=True))

    def again(self, event: Event, delivery: Delivery, *, run: str, test: bool) -> None:
        """Set a delivery going again, as a run of its own; raises as `test`.

        Args:
            run: Its name. What is set going twice under one name is sent once.
            test: Whether it is a test.
        """
        self._send(self._topics.redeliveries, event, delivery, Progress(run=run, test=test))

    def back(self, record: Outgoing) -> None:
        """Write a record where it was found before; raises as `test`."""
        acknowledged(self._writer, record)

    def _send(self, topic: str, event: Event, delivery: Delivery, progress: Progress) -> None:
        carried = events.carried(events.to_headers(event))
        headers = fanout.headers(delivery, carried, deliveries.progress_headers(progress))
        value = self._encode(deliveries.to_record(delivery))
        record = Outgoing(topic, delivery.subscription_id.encode(), value, headers)
        acknowledged(self._writer, record)
