"""`/v1/quarantine`: records that nobody could read, as they were found, and why; and their way back.

It belongs to the installation, not to an organization: what a record is about is what nobody could read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

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
_LESS: Final = "ask again, for fewer: what was sent back is looked through from where that came to"


async def list_(
    request: Request, caller: Operating, query: Annotated[QuarantineQuery, Query()]
) -> JSONResponse:
    """List quarantined records of the whole installation, the newest first. They are kept for 90 days."""
    services: Services = request.app.state.services
    after = page.after(caller.organization, _LISTING, query.after)
    found = await services.reading.ask(
        caller.organization, lambda check: _found(services, query, after, check), less=_LESS
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
    (record,) = await services.reading.ask(
        caller.organization, lambda check: _named(services, [record_id], check), less=_LESS
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
    ids = list(dict.fromkeys(asked.ids))
    # All is read before anything is written: reading that takes too long leaves nothing half done.
    records = await services.reading.ask(
        caller.organization, lambda check: _named(services, ids, check), less=_LESS
    )
    found = dict(zip(ids, records, strict=True))
    done, refused = await run_in_threadpool(_sent_back, services, caller, asked, found)
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


def _named(services: Services, ids: Collection[str], check: Check) -> list[Quarantined | None]:
    """Return the records of these ids, in their order; None where there is none."""
    redriven = services.archive.redriven(check)
    return [
        record and replace(record, redriven=record.id in redriven)
        for record in services.archive.quarantined_at([page.spot(each) for each in ids], check)
    ]


def _sent_back(
    services: Services, caller: Caller, asked: Redrive, found: Mapping[str, Quarantined | None]
) -> tuple[list[str], dict[str, str]]:
    """Send records back, one after the other, until one is not acknowledged: what is done is told all the same.

    Raises:
        Problem: 503, the first of them was not acknowledged.
    """
    done, refused = list[str](), dict[str, str]()
    stopped = False
    for record_id, record in found.items():
        reason = _refusal(record, services.topics, again=asked.again)
        if record is None or reason is not None:
            refused[record_id] = reason or ""
        elif stopped:
            refused[record_id] = "it was not tried: Kafka does not answer now; ask again"
        elif (doubt := _doubt(services, caller, record, asked.why)) is None:
            done.append(record_id)
        elif not done:
            raise unavailable(f"{record_id}: {doubt}; none of the others was tried")
        else:
            refused[record_id], stopped = doubt, True
    return done, refused


def _doubt(services: Services, caller: Caller, record: Quarantined, why: str) -> str | None:
    """Send a record back and tell the audit; return what is not certain of that, or None."""
    try:
        services.outbox.back(outgoing(record))
    except NotAcknowledged as error:
        return f"it may or may not be sent back: {error}"
    try:
        services.trail.tell(trail.redrive(caller, record, why, services.clock_ms()))
    except NotAcknowledged as error:
        return f"it is sent back, but the audit may not know it and list it as still here: {error}"
    return None


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
