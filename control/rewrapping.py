"""`POST /v1/keyring/rewrap`: what is sealed with an old key is sealed with the primary one, in every organization.

An operator asks for it once every process has read the new key, and the old one is taken out when none is left. It is
done here because the control API is the one writer of subscriptions: each is written as the next version, so that an
owner's change that comes first wins, and what it left is met again by the next request.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from control import trail
from control.auth import Operating
from control.models import Rewrap, read
from control.overtaken import CameSecond
from control.services import Services
from tocsin import sealing
from tocsin.errors import NoSecret, NotAcknowledged
from tocsin.http.admission import Caller
from tocsin.http.bodies import json_body
from tocsin.http.problems import Problem, unavailable
from tocsin.subscriptions import Subscription

PATH: Final = "/v1/keyring/rewrap"
LASTS_S: Final = 5.0
"""One request writes for about this long; the next one goes on."""

_log = logging.getLogger("tocsin.control")


@dataclass(slots=True)
class Progress:
    """What one request came to.

    Attributes:
        rewrapped: Subscriptions written, by their organization.
        left: Subscriptions that still hold something sealed with another key, or unsealed.
        unopened: Ids of those that cannot be opened: their key is missing, or their row was moved here.
    """

    rewrapped: Counter[str] = field(default_factory=Counter)
    left: int = 0
    unopened: list[str] = field(default_factory=list)


def rewrap(request: Request, caller: Operating, body: Annotated[bytes, Depends(json_body)]) -> JSONResponse:
    """Seal again, for some seconds, what is sealed with another key than the primary one.

    Ask again until nothing is `left`. The key has to be named, so that a node that seals with another one refuses.
    """
    services: Services = request.app.state.services
    asked = read(Rewrap, body)
    if asked.key_id != services.keyring.primary:
        told = f"this node seals with {services.keyring.primary!r}, not with {asked.key_id!r}"
        raise Problem(409, "other_primary", told)
    done = Progress()
    try:
        try:
            _rewrap(services, services.directory.all(), time.monotonic() + LASTS_S, done)
        finally:
            _tell(services, caller, asked.key_id, done)
    except NotAcknowledged as error:
        raise unavailable(f"{error}; ask again") from error
    return JSONResponse(_fields(asked.key_id, done))


def _rewrap(
    services: Services, subscriptions: Iterable[Subscription], until_s: float, done: Progress
) -> None:
    for subscription in subscriptions:
        try:
            wanted = _successor(services, subscription)
        except (NoSecret, KeyError) as error:
            _log.error("%s cannot be sealed again: %s", subscription.id, error)
            done.unopened.append(subscription.id)
            continue
        if wanted is subscription:
            continue
        if time.monotonic() < until_s and _written(services, wanted):
            done.rewrapped[subscription.organization] += 1
        else:
            done.left += 1


def _tell(services: Services, caller: Caller, key_id: str, done: Progress) -> None:
    """Tell each organization's audit of what has changed, also where the rest has failed."""
    for organization, webhooks in done.rewrapped.items():
        services.trail.tell(trail.rewrapped(caller, organization, key_id, webhooks, services.clock_ms()))


def _successor(services: Services, subscription: Subscription) -> Subscription:
    wire = services.systems.wire_format(subscription.system, subscription.format)
    again = sealing.rewrapped(subscription, services.keyring, services.topic, wire, services.clock_ms())
    if again is subscription:
        return subscription
    return replace(again, version=subscription.version + 1, confirmed=False)


def _written(services: Services, wanted: Subscription) -> bool:
    try:
        services.store.put(wanted)
    except CameSecond:
        return False
    return True


def _fields(key_id: str, done: Progress) -> dict[str, Any]:
    return {
        "key_id": key_id,
        "rewrapped": done.rewrapped.total(),
        "left": done.left + len(done.unopened),
        "unopened": done.unopened[:100],
    }
