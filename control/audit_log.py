"""`GET /v1/audit`: who changed what of the organization, when and why."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query, Request
from fastapi.responses import JSONResponse

from control import page
from control.archive_models import AuditQuery
from control.auth import Administering
from control.log_representation import moment
from control.newest import Place
from control.page import Page
from control.reading import Check
from control.services import Services
from tocsin import patterns
from tocsin.audit import Entry
from tocsin.missed import SKEW_MS

PATH: Final = "/v1/audit"
_LISTING: Final = "audit"


async def list_(
    request: Request, caller: Administering, query: Annotated[AuditQuery, Query()]
) -> JSONResponse:
    """List changes of webhooks, secrets, keys and jobs, the newest first. They are kept for 400 days."""
    services: Services = request.app.state.services
    after = page.after(caller.organization, _LISTING, query.after)
    found = await services.reading.ask(
        caller.organization,
        lambda check: _found(services, caller.organization, query, after, check),
        less="ask for a shorter time, with `since` and `until`",
    )
    return JSONResponse(
        {
            "data": [shown(entry) for entry in found.rows],
            "next": page.told(caller.organization, _LISTING, found.next),
        }
    )


def shown(entry: Entry) -> dict[str, Any]:
    """Return a change as it is shown."""
    return {
        "id": str(entry.id),
        "time": moment(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "object": entry.object,
        "why": entry.why,
        "before": entry.before,
        "after": entry.after,
    }


def meant(entry: Entry, query: AuditQuery) -> bool:
    """Return whether a change is one of those that are asked for."""
    return (
        query.actor in (None, entry.actor)
        and query.about in (None, entry.object)
        and (query.action is None or patterns.matches(query.action, entry.action))
        and (query.since is None or entry.at >= query.since)
        and (query.until is None or entry.at < query.until)
    )


def _found(
    services: Services, organization: str, query: AuditQuery, after: Place | None, check: Check
) -> Page[Entry]:
    # The topic has the broker's times, an entry that of whoever wrote it.
    if after is None and query.until is not None:
        after = Place(query.until + SKEW_MS, 0, 0)
    entries = services.archive.entries(organization, after, check)
    since_ms = max((query.since or 0) - SKEW_MS, 0)
    return page.cut(entries, lambda entry: meant(entry, query), limit=query.limit, since_ms=since_ms)
