"""Who asks: an API key says which organization and system, and what it allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Final

from tocsin import keys
from tocsin.errors import ConfigurationError
from tocsin.http.problems import Problem, unavailable
from tocsin.http.rate import Standing
from tocsin.kafka import pipeline
from tocsin.kafka.reader import headers_of
from tocsin.kafka.registry import Registry
from tocsin.kafka.tables import Table
from tocsin.kafka.topics import Topics
from tocsin.keys import ApiKey
from tocsin.settings import Settings
from tocsin.wire.systems import System, Systems

KEYS_AGE_MAX_S: Final = 5.0
"""A revoked key is refused everywhere within this time: with older knowledge nobody is admitted."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the key says."""

    organization: str
    system: System
    key_id: str
    scopes: tuple[str, ...] = ()


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
        self, text: str | None, scopes: Sequence[str], met: Callable[[Caller], None] = lambda caller: None
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
        caller = Caller(key.organization, system, key.id, key.scopes)
        met(caller)
        for scope in scopes:
            if not keys.allows(key, scope):
                raise Problem(403, "missing_scope", f"the API key lacks the scope {scope!r}")
        return caller

    def _key(self, text: str) -> ApiKey | None:
        key_id = keys.key_id(text)
        key = self._find(key_id) if key_id is not None else None
        return key if key is not None and keys.usable(key, text, self._clock_ms()) else None


def shown_key(headers: Mapping[str, str]) -> str | None:
    """Return the key in a request's headers, `X-API-Key` or a bearer token, or None.

    Args:
        headers: Looked up by lower-case names.
    """
    key = headers.get("x-api-key")
    if key is not None:
        return key
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" and token else None


def key_table(settings: Settings, topics: Topics, registry: Registry) -> Table[ApiKey]:
    """Return the table of all API keys, not yet started."""
    decode = pipeline.decoder(registry, "api_key")
    return Table(
        settings,
        topics.keys,
        lambda message: keys.from_record(decode(message.value(), headers_of(message)).record),
        supersedes=keys.supersedes,
    )


def require_a_key(known: Sized, topic: str) -> None:
    """Return if there is any API key: without one nobody could be admitted, and a program that starts looks well.

    Args:
        known: The keys.
        topic: Where they stand.

    Raises:
        ConfigurationError: There is none; the message says how one is made.
    """
    if not len(known):
        reason = (
            "there is no API key, so nobody could be admitted; make the first one with `tocsin keys create "
            "--organization NAME --system NAME --scope admin`, then start again"
        )
        raise ConfigurationError(topic, "", reason)


def too_many(standing: Standing) -> Problem:
    """Return the answer to one request too many."""
    told = f"over {standing.limit} requests a minute with this API key"
    return Problem(429, "rate_limited", told, headers={"Retry-After": str(standing.reset_s)})


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="tocsin"'})
