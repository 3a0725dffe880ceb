"""One event for one subscription, as a delivery: the router makes them of what happened, the control API as a test. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from tocsin import deliveries
from tocsin.deliveries import Delivery
from tocsin.events import Event
from tocsin.subscriptions import Subscription
from tocsin.wire.facts import EventFacts
from tocsin.wire.rendering import Rendered

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
