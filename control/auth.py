"""Who asks: an API key, in `X-API-Key` or as a bearer token. It says which organization and system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from control.problems import Problem, unavailable
from control.rate import Limiter, Standing
from tocsin import keys
from tocsin.keys import ApiKey
from tocsin.wire.systems import System, Systems

KEYS_AGE_MAX_S: Final = 5.0
"""A revoked key is refused everywhere within this time: with older knowledge nobody is admitted."""

_KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False)
_BEARER = HTTPBearer(auto_error=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the key says."""

    organization: str
    system: System
    key_id: str


class Gate:
    """Decides who is admitted.

    Args:
        find: Returns the key with an id, or None.
        age_s: Returns how old that knowledge is.
        systems: The contracts.
        clock_ms: The time of day, milliseconds since the epoch.
    """

    def __init__(
        self,
        find: Callable[[str], ApiKey | None],
        age_s: Callable[[], float],
        systems: Systems,
        clock_ms: Callable[[], int],
    ) -> None:
        self._find = find
        self._age_s = age_s
        self._systems = systems
        self._clock_ms = clock_ms

    def admit(
        self, text: str | None, scopes: list[str], met: Callable[[Caller], None] = lambda caller: None
    ) -> Caller:
        """Return who shows a key.

        Args:
            text: The key as it was sent, or None.
            scopes: What the key must allow, all of it.
            met: Called once it is known who asks; what it raises is the answer.

        Raises:
            Problem: 401 without a usable key, 403 when it does not allow this, 503 when keys are not known now.
        """
        if self._age_s() > KEYS_AGE_MAX_S:
            raise unavailable("API keys cannot be checked now")
        if text is None:
            raise _unauthorized("no API key: send it as X-API-Key or as a bearer token")
        key = self._key(text)
        if key is None:
            raise _unauthorized("the API key is unknown, expired or revoked")
        system = self._systems.get(key.system)
        if system is None:
            raise Problem(403, "unknown_system", f"the API key's system {key.system!r} is not served here")
        caller = Caller(key.organization, system, key.id)
        met(caller)
        for scope in scopes:
            if not keys.allows(key, scope):
                raise Problem(403, "missing_scope", f"the API key lacks the scope {scope!r}")
        return caller

    def _key(self, text: str) -> ApiKey | None:
        key_id = keys.key_id(text)
        key = self._find(key_id) if key_id is not None else None
        return key if key is not None and keys.usable(key, text, self._clock_ms()) else None


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
            raise _too_many(standing)

    return gate.admit(key, scopes.scopes, count)


Managing = Annotated[Caller, Security(caller, scopes=["manage"])]
Reading = Annotated[Caller, Security(caller, scopes=["read"])]


def _too_many(standing: Standing) -> Problem:
    told = f"over {standing.limit} requests a minute with this API key"
    return Problem(429, "rate_limited", told, headers={"Retry-After": str(standing.reset_s)})


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="tocsin"'})
