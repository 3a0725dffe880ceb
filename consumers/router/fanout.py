"""One event for many subscriptions: its body is rendered once for each wire format that needs one. Pure."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence

from consumers.router.intake import Arrived
from tocsin import fanout
from tocsin.deliveries import Delivery
from tocsin.errors import RenderError
from tocsin.subscriptions import Subscription
from tocsin.wire.facts import DeliveryFacts
from tocsin.wire.rendering import Rendered, render
from tocsin.wire.systems import Systems, WireFormat

_log = logging.getLogger("tocsin.router")


class FanOut:
    """The deliveries of an event, made one by one as they are asked for.

    Attributes:
        refused: Wire format to the reason why this event's deliveries in it cannot be made.
    """

    def __init__(self, arrived: Arrived, subscriptions: Sequence[Subscription], systems: Systems) -> None:
        self._arrived = arrived
        self._subscriptions = subscriptions
        self._systems = systems
        self._facts = fanout.facts(arrived.event, arrived.system.name)
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
        delivery_id = fanout.delivery_id(event, subscription)
        rendered = self._render(subscription, delivery_id)
        return fanout.delivery(event, self._arrived.system.name, subscription, delivery_id, rendered)

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


def _format_name(subscription: Subscription) -> str:
    return subscription.format or subscription.system
