"""Looks from time to time whether a disabled endpoint works again: `TOCSIN_PROBE_EVERY_S`, off unless set.

    in        tocsin.subscriptions and tocsin.health as tables
    out       tocsin.deliveries: test deliveries of one POST each

A probe's success comes back as an attempt and enables the endpoint (`health.py`). Which probe it is follows from the
time, and its id and bytes from that: several ledgers that send the same one make one delivery.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from consumers.ledger.health import PROBE_SOURCE
from tocsin import deliveries, events, fanout
from tocsin.deliveries import Progress
from tocsin.errors import RenderError
from tocsin.events import Event
from tocsin.health import Health
from tocsin.intake import Arrived
from tocsin.kafka.codec import Encoder
from tocsin.kafka.standing import StandingSubscriptions
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.subscriptions import EFFECTIVE_MARGIN_S, Subscription
from tocsin.wire.systems import System, Systems

_log = logging.getLogger("tocsin.ledger")

_NONE: Final = 0


class Probing:
    """Sends what is due.

    Args:
        every_s: How often an endpoint is probed.
        subscriptions: All of them, as they stand.
        topic: Name of the topic of live work.
        encode: Makes the value of a delivery.
    """

    def __init__(
        self,
        every_s: float,
        subscriptions: StandingSubscriptions,
        systems: Systems,
        writer: Writer,
        topic: str,
        encode: Encoder,
    ) -> None:
        self._every_ms = int(1000 * every_s)
        self._subscriptions = subscriptions
        self._systems = systems
        self._writer = writer
        self._topic = topic
        self._encode = encode
        self._sent: dict[str, tuple[int, int]] = {}

    def turn(self, now_ms: int) -> None:
        """Send the probes that are due and not sent yet; none while it is not known which endpoints are disabled.

        Raises:
            KafkaException: The tables have failed for good.
        """
        if not self._every_ms or self._subscriptions.age_s() > EFFECTIVE_MARGIN_S:
            return
        sent: dict[str, tuple[int, int]] = {}
        for subscription, found in self._subscriptions.disabled():
            number = due(found, now_ms, self._every_ms)
            probe = found.since_ms, number
            if number != _NONE and self._sent.get(subscription.id) != probe:
                self._send(subscription, found, number)
            sent[subscription.id] = probe
        self._sent = sent

    def _send(self, subscription: Subscription, found: Health, number: int) -> None:
        system = self._systems.get(subscription.system)
        if system is None:
            return
        event, data = probe_of(found, system, number, self._every_ms)
        try:
            delivery = fanout.single(Arrived(event, data, system), subscription, self._systems)
        except RenderError as error:
            _log.warning("endpoint %s cannot be probed: %s", subscription.id, error)
            return
        # Past its schedule: a probe that fails is not tried again, the next one comes soon enough.
        progress = Progress(test=True, attempt=len(system.retries))
        carried = events.carried(events.to_headers(event))
        headers = fanout.headers(delivery, carried, deliveries.progress_headers(progress))
        value = self._encode(deliveries.to_record(delivery))
        self._writer.write(Outgoing(self._topic, subscription.id.encode(), value, headers), _written)


def due(found: Health, now_ms: int, every_ms: int) -> int:
    """Return the number of the probe that is due, counted from 1; 0 for none."""
    if found.reason == "gone" or every_ms <= 0:
        return _NONE
    return max(_NONE, (now_ms - found.since_ms) // every_ms)


def probe_of(found: Health, system: System, number: int, every_ms: int) -> tuple[Event, Mapping[str, Any]]:
    """Return the event of a probe and its data: the system's test event, or the example of its first event type."""
    event_type = system.test.event_type or next(iter(system.event_types))
    moment = datetime.fromtimestamp((found.since_ms + number * every_ms) // 1000, UTC)
    event = Event(
        f"{found.subscription_id}-{found.generation}-{found.since_ms}-{number}",
        PROBE_SOURCE,
        event_type,
        moment,
        found.organization,
    )
    return event, system.test.data or system.event_types[event_type].example


def _written(written: Written) -> None:
    if written.error is not None:
        _log.error("a probe cannot be written: %s", written.error)
