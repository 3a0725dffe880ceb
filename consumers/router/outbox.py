"""What the router writes: deliveries, and what cannot be routed to quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from consumers.router.effects import Effects
from tocsin import deliveries, failpoints, fanout
from tocsin.deliveries import Delivery, Progress
from tocsin.errors import RenderError
from tocsin.kafka.codec import Encoder
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Record
from tocsin.kafka.topics import MESSAGE_MAX_BYTES
from tocsin.kafka.writer import Outgoing, Writer, Written

OPEN_MOST_BYTES: Final = 32 << 20
"""Deliveries not yet acknowledged; one event for ten thousand subscriptions must not fill the memory."""
_PER_RECORD_BYTES: Final = 500  # what the client keeps of a record besides its value

_FRESH: Final = deliveries.progress_headers(Progress())


class Outbox:
    """Writes the effects of events, and knows how much of it is on its way.

    Args:
        topic: Name of the topic of live work.
        encode: Makes the value of a delivery.
    """

    def __init__(self, writer: Writer, quarantine: Quarantine, topic: str, encode: Encoder) -> None:
        self._writer = writer
        self._quarantine = quarantine
        self._topic = topic
        self._encode = encode
        self._open_bytes = 0

    def has_room(self) -> bool:
        """Return whether more may be written before something is acknowledged."""
        return self._open_bytes < OPEN_MOST_BYTES

    def deliver(
        self,
        source: Record,
        carried: Sequence[tuple[str, bytes | None]],
        delivery: Delivery,
        effects: Effects,
    ) -> None:
        """Write a delivery as one of its event's effects, even if the event has a new owner meanwhile: the ids are
        the same, and a delivery that is there twice is dropped where it is sent.

        Raises:
            RenderError: It is larger than a record may be; nothing is written.
        """
        value = self._encode(deliveries.to_record(delivery))
        headers = fanout.headers(delivery, carried, _FRESH)
        size = len(value) + sum([len(name) + len(data or b"") for name, data in headers])
        if size > MESSAGE_MAX_BYTES:
            raise RenderError(f"the delivery is {size} bytes; at most {MESSAGE_MAX_BYTES} fit a record")
        effects.begin()
        self._open_bytes += size + _PER_RECORD_BYTES
        self._writer.write(
            Outgoing(self._topic, delivery.subscription_id.encode(), value, headers),
            partial(self._written, source, delivery.delivery_id, size + _PER_RECORD_BYTES, effects),
        )

    def set_aside(self, record: Record, reason: str, effects: Effects) -> None:
        """Write a record to quarantine as one of its event's effects."""
        effects.begin()
        self._quarantine.put(record, reason, effects.end)

    def _written(
        self, source: Record, delivery_id: str, size: int, effects: Effects, written: Written
    ) -> None:
        self._open_bytes -= size
        failpoints.hit("router.after_first_write")
        if written.error is not None:
            self.set_aside(source, f"delivery {delivery_id} cannot be written: {written.error}", effects)
        effects.end()
