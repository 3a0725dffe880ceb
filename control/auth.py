"""Who asks, as FastAPI's dependency: an API key, in `X-API-Key` or as a bearer token."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from tocsin.http.admission import Caller, Gate, too_many
from tocsin.http.rate import Limiter

_KEY_HEADER: Final = APIKeyHeader(name="X-API-Key", auto_error=False)
_BEARER: Final = HTTPBearer(auto_error=False)


async def caller(
    scopes: SecurityScopes,
    request: Request,
    key: Annotated[str | None, Security(_KEY_HEADER)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
) -> Caller:
    """Return who sent a request; raises as `Gate.admit`, and a `Problem` 429 for one request too many."""
    gate: Gate = request.app.state.services.gate
    limiter: Limiter = request.app.state.services.limiter
    if key is None and bearer is not None:
        key = bearer.credentials

    def count(known: Caller) -> None:
        standing = limiter.spend(known.key_id, known.system.api.rate_per_minute)
        request.state.rate_limit = standing.headers()
        if standing.refused:
            raise too_many(standing)

    return gate.admit(key, scopes.scopes, count)


Managing = Annotated[Caller, Security(caller, scopes=["manage"])]
Reading = Annotated[Caller, Security(caller, scopes=["read"])]
Administering = Annotated[Caller, Security(caller, scopes=["admin"])]
Known = Annotated[Caller, Security(caller, scopes=[])]
"""Whoever has a key, whatever it allows."""
Replaying = Annotated[Caller, Security(caller, scopes=["replay"])]
Operating = Annotated[Caller, Security(caller, scopes=["operate"])]
