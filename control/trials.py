"""Test events: an owner sees a request arrive without waiting for something to happen."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from control import pacing
from control.auth import Managing
from control.models import Trial, read
from control.services import Services
from tocsin import fanout
from tocsin.deliveries import Delivery
from tocsin.errors import NotAcknowledged, RenderError
from tocsin.events import Event
from tocsin.http.bodies import json_body
from tocsin.http.problems import Fault, invalid_body, unavailable
from tocsin.intake import Arrived
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import System, Systems

SOURCE: Final = "/tocsin/test"


def send(request: Request, caller: Managing, body: Annotated[bytes, Depends(json_body)]) -> JSONResponse:
    """Send a test event to one webhook, an inactive one too, whatever events it asks for.

    It goes the way of every delivery: signed, repeated when it fails, with its attempts on record.
    """
    services: Services = request.app.state.services
    asked = read(Trial, body)
    subscription = services.webhook(caller.organization, asked.webhook_id)
    system = services.systems[subscription.system]
    event_type, data = chosen(system, asked.event_type)
    moment = datetime.fromtimestamp(services.clock_ms() / 1000, UTC)
    event = Event(f"test_{uuid.uuid4()}", SOURCE, event_type, moment, subscription.organization)
    delivery = made(Arrived(event, data, system), subscription, services.systems)
    pacing.spend(services.pacer, subscription.id)
    try:
        services.outbox.test(event, delivery)
    except NotAcknowledged as error:
        raise unavailable(f"{error}; the test may or may not be sent") from error
    return JSONResponse(
        {
            "delivery_id": delivery.delivery_id,
            "event_id": event.id,
            "event_type": event_type,
            "webhook_id": subscription.id,
        },
        202,
    )


def chosen(system: System, asked: str | None) -> tuple[str, Mapping[str, Any]]:
    """Return type and data of the test event: the documented one, else the type's example.

    Raises:
        Problem: 400, no event type of the system was asked for.
    """
    documented = system.test
    event_type = asked if asked is not None else documented.event_type
    there_are = ", ".join(sorted(system.event_types))
    if event_type is None:
        told = f"is missing: this system documents no test event, so name one of {there_are}"
        raise invalid_body([Fault(field="event_type", reason=told)])
    known = system.event_type(event_type)
    if known is None:
        raise invalid_body([Fault(field="event_type", reason=f"is not an event type; there are {there_are}")])
    if event_type == documented.event_type and documented.data is not None:
        return event_type, documented.data
    return event_type, known.example


def made(trial: Arrived, subscription: Subscription, systems: Systems) -> Delivery:
    """Return the delivery of a test event.

    Raises:
        Problem: 400, the webhook's format cannot express it.
    """
    try:
        return fanout.single(trial, subscription, systems)
    except RenderError as error:
        told = f"{subscription.format or subscription.system}: {error}"
        raise invalid_body([Fault(field="event_type", reason=told)]) from error
