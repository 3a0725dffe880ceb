"""One event for its subscriptions, as deliveries. Pure.

The router makes them of what happens, a recovery of what was missed, the control API as a test.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence

from tocsin import deliveries
from tocsin.deliveries import Delivery
from tocsin.errors import RenderError
from tocsin.events import Event
from tocsin.intake import Arrived
from tocsin.subscriptions import Subscription
from tocsin.wire.facts import DeliveryFacts, EventFacts
from tocsin.wire.rendering import Rendered, render
from tocsin.wire.systems import Systems, WireFormat

_log = logging.getLogger("tocsin.fanout")

Header = tuple[str, bytes | None]


def facts(event: Event, system: str) -> EventFacts:
    """Return an event as templates see it."""
    return EventFacts(
        id=event.id,
        source=event.source,
        type=event.type,
        time=event.time,
        organization=event.organization,
        subject=event.subject,
        system=system,
        attributes=event.extensions,
    )


def delivery_id(event: Event, subscription: Subscription) -> uuid.UUID:
    """Return the id of an event's delivery to a subscription."""
    return deliveries.delivery_id(event.source, event.type, event.id, subscription.id)


def delivery(
    event: Event, system: str, subscription: Subscription, id: uuid.UUID, rendered: Rendered
) -> Delivery:
    """Return an event's delivery to a subscription.

    Args:
        system: Whose event it is.
        id: As `delivery_id` returns it.
        rendered: The event in the subscription's wire format.
    """
    return Delivery(
        delivery_id=str(id),
        organization=event.organization,
        subscription_id=subscription.id,
        subscription_offset=subscription.offset,
        system=system,
        format=subscription.format,
        event_id=event.id,
        event_source=event.source,
        event_type=event.type,
        event_time=int(event.time.timestamp() * 1000),
        content_type=rendered.content_type,
        headers=rendered.headers,
        body=rendered.body,
    )


def headers(made: Delivery, carried: Sequence[Header], progress: Sequence[Header]) -> list[Header]:
    """Return the headers of the record that sets a delivery going.

    Args:
        made: The delivery.
        carried: The event's own headers, as `events.carried` returns them.
        progress: Where it begins, as `deliveries.progress_headers` returns it.
    """
    return [*carried, ("tocsin_delivery_id", made.delivery_id.encode()), *progress]


class FanOut:
    """The deliveries of an event, made one by one as they are asked for; its body is rendered once for each wire format.

    Attributes:
        refused: Wire format to the reason why this event's deliveries in it cannot be made.
    """

    def __init__(self, arrived: Arrived, subscriptions: Sequence[Subscription], systems: Systems) -> None:
        self._arrived = arrived
        self._subscriptions = subscriptions
        self._systems = systems
        self._facts = facts(arrived.event, arrived.system.name)
        self._rendered: dict[str, Rendered] = {}
        self.refused: dict[str, str] = {}

    def __iter__(self) -> Iterator[Delivery]:
        for subscription in self._subscriptions:
            if _format_name(subscription) not in self.refused:
                try:
                    yield self._delivery(subscription)
                except RenderError as error:
                    self.refused[_format_name(subscription)] = str(error)

    def refuse(self, delivery: Delivery, reason: str) -> None:
        """Note that deliveries like this one cannot be made; no more of its format follow."""
        self.refused[delivery.format or delivery.system] = reason

    def _delivery(self, subscription: Subscription) -> Delivery:
        event = self._arrived.event
        own_id = delivery_id(event, subscription)
        rendered = self._render(subscription, own_id)
        return delivery(event, self._arrived.system.name, subscription, own_id, rendered)

    def _render(self, subscription: Subscription, delivery_id: uuid.UUID) -> Rendered:
        name = _format_name(subscription)
        rendered = self._rendered.get(name)
        if rendered is None:
            wire = self._wire_format(subscription)
            facts = DeliveryFacts(id=delivery_id, subscription_id=subscription.id)
            rendered = self._rendering(wire, facts)
            if not wire.depends_on_delivery:
                self._rendered[name] = rendered
        return rendered

    def _rendering(self, wire: WireFormat, facts: DeliveryFacts) -> Rendered:
        try:
            return render(wire, self._facts, self._arrived.data, facts)
        except RenderError:
            raise
        except (
            Exception
        ) as error:  # whatever one event leads a template into, the events behind it are routed
            _log.exception("%s of %s", wire.name, self._facts)
            raise RenderError(f"{type(error).__name__}: {error}") from error

    def _wire_format(self, subscription: Subscription) -> WireFormat:
        try:
            return self._systems.wire_format(subscription.system, subscription.format)
        except KeyError as error:
            raise RenderError("this installation has no such wire format") from error


def single(arrived: Arrived, subscription: Subscription, systems: Systems) -> Delivery:
    """Return an event's delivery to one subscription.

    Raises:
        RenderError: It cannot be made in the subscription's wire format.
    """
    fan_out = FanOut(arrived, [subscription], systems)
    for made in fan_out:
        return made
    raise RenderError(fan_out.refused[_format_name(subscription)])


def _format_name(subscription: Subscription) -> str:
    return subscription.format or subscription.system
