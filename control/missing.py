"""`GET /v1/webhooks/{id}/missing`: what a webhook wants and did not get, whatever the reason."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query, Request
from fastapi.responses import JSONResponse

from control import cursor
from control.archive import Undelivered, place_of
from control.archive_models import MissingQuery
from control.auth import Reading
from control.cursor import Position
from control.log_representation import moment
from control.services import Services
from tocsin.errors import FilterInvalid
from tocsin.http.problems import Problem
from tocsin.missed import Looked
from tocsin.subscriptions import Subscription

_LISTING: Final = "missing"


async def list_(
    request: Request, caller: Reading, webhook_id: str, query: Annotated[MissingQuery, Query()]
) -> JSONResponse:
    """List events of a period that the webhook wants today and that were not delivered to it, the oldest first.

    Also those from before it was made, and while it was disabled. Events are kept for 30 days.
    """
    services: Services = request.app.state.services
    webhook = services.webhook(caller.organization, webhook_id)
    listing = f"{_LISTING} {webhook_id} {query.since} {query.until}"
    after = cursor.required(caller.organization, listing, query.after)
    found = await look(services, webhook, query.since, query.until, after=after, limit=query.limit)
    rows = found.rows[: query.limit]
    more = len(found.rows) > query.limit
    return JSONResponse(
        {
            "data": [shown(looked) for looked in rows],
            "next": cursor.encode(caller.organization, listing, place_of(rows[-1])) if more else None,
            "counts": counts(found),
        }
    )


async def look(
    services: Services,
    webhook: Subscription,
    since_ms: int,
    until_ms: int | None,
    *,
    after: Position | None = None,
    limit: int,
) -> Undelivered:
    """Return what was not delivered to a webhook; raises as `TopicReading.ask`, and 409 if its filters cannot be read."""
    try:
        return await services.reading.ask(
            webhook.organization,
            lambda check: services.archive.undelivered(
                webhook, since_ms=since_ms, until_ms=until_ms, after=after, limit=limit, check=check
            ),
            less="ask for a shorter time",
        )
    except FilterInvalid as error:
        told = f"what the webhook wants cannot be read ({error}): change its filters"
        raise Problem(409, "filters_unreadable", told) from error


def shown(looked: Looked) -> dict[str, Any]:
    """Return an event that was not delivered, as a list shows it."""
    event = looked.arrived.event if looked.arrived is not None else None
    return {
        "delivery_id": looked.delivery_id,
        "event_id": event.id if event else "",
        "event_source": event.source if event else "",
        "event_type": event.type if event else "",
        "published_at": moment(looked.timestamp_ms),
        "state": looked.fate,
    }


def counts(found: Undelivered) -> dict[str, int]:
    """Return how many there are of each state."""
    return {state: found.counts[state] for state in ("never", "dead", "waiting")}
