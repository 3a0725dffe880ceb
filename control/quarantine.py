"""`/v1/quarantine`: records that nobody could read, as they were found, and why; and their way back.

It belongs to the installation, not to an organization: what a record is about is what nobody could read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse

from control import page, trail
from control.archive_models import QuarantineQuery, Redrive
from control.auth import Operating
from control.log_representation import BODY_MAX_BYTES, cut, moment, text_or_base64
from control.models import read
from control.newest import Place
from control.page import Page
from control.reading import Check
from control.services import Services
from tocsin.errors import NotAcknowledged
from tocsin.http.admission import Caller
from tocsin.http.bodies import json_body
from tocsin.http.problems import not_found, unavailable
from tocsin.kafka.topics import Topics
from tocsin.quarantined import Quarantined, outgoing

PATH: Final = "/v1/quarantine"
_LISTING: Final = "quarantine"
_ID = re.compile(r"([0-9]{1,9})-([0-9]{1,15})", re.ASCII)


async def list_(
    request: Request, caller: Operating, query: Annotated[QuarantineQuery, Query()]
) -> JSONResponse:
    """List quarantined records of the whole installation, the newest first. They are kept for 90 days."""
    services: Services = request.app.state.services
    after = page.after(caller.organization, _LISTING, query.after)
    found = await services.reading.ask(
        caller.organization, lambda check: _found(services, query, after, check)
    )
    return JSONResponse(
        {
            "data": [shown(record, services.topics) for record in found.rows],
            "next": page.told(caller.organization, _LISTING, found.next),
        }
    )


async def get(request: Request, caller: Operating, record_id: str) -> JSONResponse:
    """Show a quarantined record with its bytes."""
    services: Services = request.app.state.services
    record = await services.reading.ask(
        caller.organization, lambda check: _one(services, record_id, services.archive.redriven(check), check)
    )
    if record is None:
        raise not_found("quarantined record")
    return JSONResponse(
        shown(record, services.topics)
        | {
            "key": _bytes(record.key),
            "value": _bytes(record.value),
            "headers": [{"name": name, "value": _bytes(value)} for name, value in record.headers],
        }
    )


async def redrive(
    request: Request, caller: Operating, body: Annotated[bytes, Depends(json_body)]
) -> JSONResponse:
    """Send quarantined records back to where they were found, with the bytes and headers they had.

    An event keeps its id. What still cannot be read comes back to quarantine.
    """
    services: Services = request.app.state.services
    asked = read(Redrive, body)
    try:
        done, refused = await services.reading.ask(
            caller.organization, lambda check: _sent_back(services, caller, asked, check)
        )
    except NotAcknowledged as error:
        told = f"{error}; some may be sent back, the list of quarantined records will tell"
        raise unavailable(told) from error
    return JSONResponse({"redriven": done, "refused": refused})


def shown(record: Quarantined, topics: Topics) -> dict[str, Any]:
    """Return a quarantined record as a list shows it."""
    return {
        "id": record.id,
        "quarantined_at": moment(record.timestamp_ms),
        "source_topic": record.source_topic,
        "source_partition": record.source_partition,
        "source_offset": record.source_offset,
        "written_at": moment(record.source_timestamp_ms),
        "program": record.program,
        "reason": record.reason,
        "organization": record.organization or None,
        "size_bytes": len(record.value or b""),
        "redriven": record.redriven,
        "can_return": record.can_return(topics),
    }


def _found(
    services: Services, query: QuarantineQuery, after: Place | None, check: Check
) -> Page[Quarantined]:
    if after is None and query.until is not None:
        after = Place(query.until, 0, 0)
    redriven = services.archive.redriven(check)

    def told() -> Iterator[tuple[Place, Quarantined | None]]:
        for place, record in services.archive.quarantined(after, check):
            yield place, record and replace(record, redriven=record.id in redriven)

    return page.cut(
        told(), lambda record: _meant(record, query), limit=query.limit, since_ms=query.since or 0
    )


def _meant(record: Quarantined, query: QuarantineQuery) -> bool:
    return (
        query.topic in (None, record.source_topic)
        and (query.reason is None or query.reason.casefold() in record.reason.casefold())
        and query.redriven in (None, record.redriven)
    )


def _one(services: Services, record_id: str, redriven: Collection[str], check: Check) -> Quarantined | None:
    match = _ID.fullmatch(record_id)
    if match is None:
        return None
    record = services.archive.quarantined_at(int(match[1]), int(match[2]), check)
    return record and replace(record, redriven=record.id in redriven)


def _sent_back(
    services: Services, caller: Caller, asked: Redrive, check: Check
) -> tuple[list[str], dict[str, str]]:
    done, refused = list[str](), dict[str, str]()
    redriven = services.archive.redriven(check)
    for record_id in dict.fromkeys(asked.ids):
        record = _one(services, record_id, redriven, check)
        reason = _refusal(record, services.topics, again=asked.again)
        if record is None or reason is not None:
            refused[record_id] = reason or ""
            continue
        services.outbox.back(outgoing(record))
        services.trail.tell(trail.redrive(caller, record, asked.why, services.clock_ms()))
        done.append(record_id)
    return done, refused


def _refusal(record: Quarantined | None, topics: Topics, *, again: bool) -> str | None:
    if record is None:
        return "there is no such record"
    if not record.can_return(topics):
        return "a row of a table does not go back: it would undo what came after it"
    return "it was sent back before" if record.redriven and not again else None


def _bytes(data: bytes | None) -> dict[str, Any] | None:
    if data is None:
        return None
    told = text_or_base64(cut(data), "text")
    return {
        "text": told["text"],
        "base64": told["text_base64"],
        "truncated": len(data) > BODY_MAX_BYTES,
    }
