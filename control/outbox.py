"""Deliveries that the API itself sets going: tests that an owner asks for."""

from __future__ import annotations

import time

from control.acknowledgement import ACK_MAX_S, acknowledged
from tocsin import deliveries, events, fanout
from tocsin.deliveries import Delivery, Progress
from tocsin.events import Event
from tocsin.kafka.codec import Encoder
from tocsin.kafka.writer import Outgoing, Writer


class Outbox:
    """Writes deliveries as the router writes them.

    Args:
        writer: Writes to Kafka.
        encode: Makes the value of a delivery.
        topic: Name of the topic of live work.
    """

    def __init__(self, writer: Writer, encode: Encoder, topic: str) -> None:
        self._writer = writer
        self._encode = encode
        self._topic = topic

    def test(self, event: Event, delivery: Delivery) -> None:
        """Set a test going.

        Raises:
            NotAcknowledged: No acknowledgement in time; it may or may not be sent.
        """
        progress = deliveries.progress_headers(Progress(test=True))
        headers = fanout.headers(delivery, events.carried(events.to_headers(event)), progress)
        value = self._encode(deliveries.to_record(delivery))
        record = Outgoing(self._topic, delivery.subscription_id.encode(), value, headers)
        acknowledged(self._writer, record, time.monotonic() + ACK_MAX_S)
