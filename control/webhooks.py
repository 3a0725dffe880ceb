"""`/v1/webhooks`, and the paths that systems document for the same.

What only reads answers on the event loop, from memory; what writes waits for Kafka on a thread, so that an absent
broker holds up no reader.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from control import changes, cursor, preconditions, trail
from control.auth import Managing, Reading
from control.directory import position
from control.models import Rotation, WebhookChange, read
from control.overtaken import CameSecond
from control.parameters import Paging
from control.preconditions import etag
from control.registration import Registration, registration, secret_faults
from control.representation import created, documented, shown
from control.services import Services
from tocsin.errors import NotAcknowledged
from tocsin.http.admission import Caller
from tocsin.http.bodies import json_body
from tocsin.http.problems import Fault, invalid_body, unavailable
from tocsin.subscriptions import Subscription
from tocsin.wire.signing import new_secret
from tocsin.wire.systems import WireFormat

PATH: Final = "/v1/webhooks"
_LISTING: Final = "webhooks"
TRIES: Final = 5
"""How often a change without `If-Match` is made anew because another came first."""

IfMatch = Annotated[str | None, Header(max_length=1000, description="The `ETag` this is meant for.")]


def create(request: Request, caller: Managing, body: Annotated[bytes, Depends(json_body)]) -> JSONResponse:
    """Register a webhook. The signing secret is shown in this answer and never again."""
    services = _services(request)
    asked = services.requests.read(caller.system, body)
    wanted = registration(asked, caller.system, services.systems, services.policy)
    secret = wanted.secret
    if secret is None and wanted.wire.has_secret:
        secret = new_secret(wanted.wire.signature, os.urandom)
    try:
        stored = services.store.put(services.sealed(_subscription(services, caller, wanted, secret)))
        _tell(services, caller, "created", None, stored)
    except NotAcknowledged as error:
        raise unavailable(
            f"{error}; the webhook may or may not be stored, the list of webhooks will tell"
        ) from error
    fields = documented(
        created(services.opened(stored), caller.system, secret), _documented_names(request, caller)
    )
    headers = {"Location": f"{request.url.path}/{stored.id}", "ETag": etag(stored.version)}
    return JSONResponse(fields, 201, headers)


async def list_(request: Request, caller: Reading, query: Annotated[Paging, Query()]) -> JSONResponse:
    """List webhooks, the newest last."""
    start = cursor.required(caller.organization, _LISTING, query.after)
    found, more = _services(request).directory.page(caller.organization, start, query.limit)
    return JSONResponse(
        {
            "data": [_shown(request, caller, subscription) for subscription in found],
            "next": cursor.encode(caller.organization, _LISTING, position(found[-1])) if more else None,
        }
    )


async def get(request: Request, caller: Reading, webhook_id: str) -> JSONResponse:
    """Show a webhook; its `ETag` is its version."""
    return _answer(request, caller, _own(request, caller, webhook_id))


def change(
    request: Request,
    caller: Managing,
    webhook_id: str,
    body: Annotated[bytes, Depends(json_body)],
    if_match: IfMatch = None,
) -> JSONResponse:
    """Change a webhook; what is left out stays as it is.

    With `If-Match` a change of another version than the one named is refused, so that nobody's change is undone
    unseen.
    """
    services = _services(request)
    asked = read(WebhookChange, body)

    def changed(subscription: Subscription) -> Subscription:
        return changes.changed(
            subscription,
            asked,
            system=services.systems[subscription.system],
            wire=_wire(services, subscription),
            policy=services.policy,
            now_ms=services.clock_ms(),
        )

    stored = _succeed(request, caller, webhook_id, if_match, "changed", changed)
    return _answer(request, caller, stored)


def rotate(
    request: Request,
    caller: Managing,
    webhook_id: str,
    body: Annotated[bytes, Depends(json_body)],
    if_match: IfMatch = None,
) -> JSONResponse:
    """Give a webhook a new signing secret, shown in this answer and never again.

    The old one holds for a while: receivers that read several signatures get both, receivers that compare one get
    the old one's until it ends.
    """
    services = _services(request)
    asked = read(Rotation, body or b"{}")
    own = asked.secret.get_secret_value() if asked.secret is not None else None
    wire = _wire(services, _own(request, caller, webhook_id))
    faults = list(secret_faults(own, wire))
    if faults or not wire.has_secret:
        raise invalid_body(faults or [Fault(field="secret", reason=f"{wire.title} has none")])
    secret = new_secret(wire.signature, os.urandom) if own is None else own

    def rotated(subscription: Subscription) -> Subscription:
        now_ms = services.clock_ms()
        sealed = services.seal(secret, caller.organization, subscription.id, now_ms)
        until_ms = now_ms + 1000 * asked.expires_in_s
        return changes.rotated(subscription, sealed, old_until_ms=until_ms, now_ms=now_ms)

    stored = _succeed(request, caller, webhook_id, if_match, "secret_rotated", rotated)
    answer = {**_shown(request, caller, stored), "secret": secret}
    return JSONResponse(answer, headers={"ETag": etag(stored.version)})


def delete(request: Request, caller: Managing, webhook_id: str, if_match: IfMatch = None) -> Response:
    """Delete a webhook. What is still to be delivered to it becomes dead letters."""
    subscription = _own(request, caller, webhook_id)
    preconditions.require(if_match, subscription.version)
    services = _services(request)
    try:
        services.store.remove(subscription)
        _tell(services, caller, "deleted", subscription, None)
    except NotAcknowledged as error:
        raise unavailable(f"{error}; the webhook may or may not be deleted, do it again") from error
    return Response(status_code=204)


def _succeed(
    request: Request,
    caller: Caller,
    webhook_id: str,
    if_match: str | None,
    action: str,
    successor: Callable[[Subscription], Subscription],
) -> Subscription:
    """Write the version that follows, and tell the audit; made anew of the winner when another change came first."""
    services = _services(request)
    for _ in range(TRIES):
        known = _own(request, caller, webhook_id)
        preconditions.require(if_match, known.version)
        as_it_is = services.opened(known)
        wanted = successor(as_it_is)
        if wanted is as_it_is:
            return known
        try:
            stored = services.store.put(services.sealed(wanted))
            _tell(services, caller, action, known, stored)
            return stored
        except CameSecond:
            continue
        except NotAcknowledged as error:
            raise unavailable(f"{error}; the change may or may not be stored, read the webhook") from error
    raise preconditions.stale()


def _tell(
    services: Services,
    caller: Caller,
    action: str,
    before: Subscription | None,
    after: Subscription | None,
) -> None:
    known = after or before
    if known is not None:
        wire, now_ms = _wire(services, known), services.clock_ms()
        entry = trail.webhook(caller, action, before, after, wire=wire, now_ms=now_ms)
        services.trail.tell(entry)


def _answer(request: Request, caller: Caller, subscription: Subscription) -> JSONResponse:
    return JSONResponse(_shown(request, caller, subscription), headers={"ETag": etag(subscription.version)})


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _own(request: Request, caller: Caller, webhook_id: str) -> Subscription:
    return _services(request).webhook(caller.organization, webhook_id)


def _shown(request: Request, caller: Caller, subscription: Subscription) -> Mapping[str, Any]:
    systems = _services(request).systems
    system = systems.get(subscription.system, caller.system)
    wire = systems.wire_format(subscription.system, subscription.format)
    standing = _services(request).standing(subscription)
    return documented(shown(standing, system, wire), _documented_names(request, caller))


def _wire(services: Services, subscription: Subscription) -> WireFormat:
    return services.systems.wire_format(subscription.system, subscription.format)


def _documented_names(request: Request, caller: Caller) -> tuple[str, ...]:
    own_path = any(request.url.path.startswith(path) for path in caller.system.api.paths if path != PATH)
    return caller.system.api.created if own_path else ()


def _subscription(
    services: Services, caller: Caller, wanted: Registration, secret: str | None
) -> Subscription:
    now_ms, subscription_id = services.clock_ms(), f"wh_{os.urandom(12).hex()}"
    sealed = () if secret is None else (services.seal(secret, caller.organization, subscription_id, now_ms),)
    return Subscription(
        id=subscription_id,
        organization=caller.organization,
        system=caller.system.name,
        url=wanted.url,
        event_types=wanted.event_types,
        created_at=now_ms,
        updated_at=now_ms,
        effective_at=now_ms,
        format=wanted.format,
        scope=wanted.scope,
        filters=wanted.filters,
        active=wanted.active,
        inactive_reason=None if wanted.active else changes.DISABLED,
        description=wanted.description,
        headers=wanted.headers,
        secrets=sealed,
    )
