"""`/v1/keys`: the API keys of the caller's organization; `/v1/organization`: who the caller is.

The `tocsin` command writes keys too, straight to Kafka. Two writers cannot conflict: a key is made under an id that is
new, and the one change it knows is to be revoked, which is never undone (`tocsin.keys.supersedes`).
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from control import cursor, trail
from control.auth import Administering, Known
from control.key_models import NewKey
from control.models import read
from control.parameters import Paging
from control.representation import rfc3339
from control.services import Services
from tocsin import keys
from tocsin.audit import Entry
from tocsin.errors import NotAcknowledged
from tocsin.http.admission import Caller
from tocsin.http.bodies import json_body
from tocsin.http.problems import Fault, invalid_body, not_found, unavailable
from tocsin.keys import ApiKey

PATH: Final = "/v1/keys"
WHO_PATH: Final = "/v1/organization"
_LISTING: Final = "keys"


async def who(request: Request, caller: Known) -> JSONResponse:
    """Tell who the caller is, by the API key that was shown."""
    services = _services(request)
    key = services.keys.get(caller.key_id)
    if key is None:
        raise not_found("API key")
    told = {"organization": key.organization, "system": key.system}
    return JSONResponse(told | {"key": shown(key, services.clock_ms())})


async def list_(request: Request, caller: Administering, query: Annotated[Paging, Query()]) -> JSONResponse:
    """List the organization's API keys, the newest last, revoked and expired ones too."""
    services = _services(request)
    start = cursor.required(caller.organization, _LISTING, query.after) or (-1, "")
    rows = [key for key in services.keys.rows() if key.organization == caller.organization]
    later = sorted((key for key in rows if _position(key) > start), key=_position)
    page, now_ms = later[: query.limit], services.clock_ms()
    more = len(later) > query.limit
    return JSONResponse(
        {
            "data": [shown(key, now_ms) for key in page],
            "next": cursor.encode(caller.organization, _LISTING, _position(page[-1])) if more else None,
        }
    )


def create(
    request: Request, caller: Administering, body: Annotated[bytes, Depends(json_body)]
) -> JSONResponse:
    """Make an API key of the organization. The key itself is shown in this answer and never again."""
    services = _services(request)
    asked = read(NewKey, body)
    system = asked.system if asked.system is not None else caller.system.name
    if system not in services.systems:
        reason = f"there is no such system; there are {', '.join(sorted(services.systems))}"
        raise invalid_body([Fault(field="system", reason=reason)])
    now_ms = services.clock_ms()
    key_id, text = keys.new_key(os.urandom(keys.RANDOM_BYTES))
    key = ApiKey(
        id=key_id,
        organization=caller.organization,
        system=system,
        sha256=keys.digest(text),
        scopes=tuple(dict.fromkeys(asked.scopes)),
        created_at=now_ms,
        description=asked.description,
        expires_at=now_ms + 1000 * asked.expires_in_s if asked.expires_in_s is not None else None,
    )
    entry = trail.key(caller, "created", None, key, now_ms)
    _put(services, key, entry, "the key may or may not be stored, and nobody knows it; make another")
    return JSONResponse(shown(key, now_ms) | {"key": text}, 201, {"Location": f"{PATH}/{key_id}"})


def revoke(request: Request, caller: Administering, key_id: str) -> Response:
    """Revoke an API key: within five seconds no process accepts it. It may be the caller's own."""
    services = _services(request)
    key = _own(services, caller, key_id)
    if key.revoked_at is None:
        now_ms = services.clock_ms()
        revoked = replace(key, revoked_at=now_ms)
        entry = trail.key(caller, "revoked", key, revoked, now_ms)
        _put(services, revoked, entry, "the key may or may not be revoked; repeat")
    return Response(status_code=204)


def shown(key: ApiKey, now_ms: int) -> dict[str, Any]:
    """Return a key as it is shown at any time: without the key itself and without its digest."""
    return {
        "id": key.id,
        "organization": key.organization,
        "system": key.system,
        "scopes": list(key.scopes),
        "state": keys.state(key, now_ms),
        "description": key.description,
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at) if key.expires_at is not None else None,
        "revoked_at": rfc3339(key.revoked_at) if key.revoked_at is not None else None,
    }


def _own(services: Services, caller: Caller, key_id: str) -> ApiKey:
    key = services.keys.get(key_id)
    if key is None or key.organization != caller.organization:
        raise not_found("API key")
    return key


def _put(services: Services, key: ApiKey, entry: Entry, otherwise: str) -> None:
    try:
        services.keys.put(key)
        services.trail.tell(entry)
    except NotAcknowledged as error:
        raise unavailable(f"{error}; {otherwise}") from error


def _position(key: ApiKey) -> tuple[int, str]:
    return key.created_at, key.id


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services
