"""A change of a webhook: what was asked for, checked against what there is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from control import filters
from control.models import WebhookChange
from control.registration import checked_url, text_faults, wanted_faults
from control.request_headers import faults as header_faults
from tocsin.destinations import Destination, Policy
from tocsin.http.problems import Fault, Problem, invalid_body
from tocsin.subscriptions import StoredSecret, Subscription
from tocsin.wire.systems import System, WireFormat

DISABLED: Final = "disabled by its owner"
SECRETS_MAX: Final = 5
"""Every one that holds is a signature more in the request's headers."""


def changed(
    subscription: Subscription,
    asked: WebhookChange,
    *,
    system: System,
    wire: WireFormat,
    policy: Policy,
    now_ms: int,
) -> Subscription:
    """Return the next version of a subscription, or the same object where nothing was asked for.

    What enables, disables or redirects raises its generation; `active: true` does so even where it is true already:
    whatever disabled an earlier generation does not hold any more.

    Raises:
        Problem: 400, with every field at fault.
    """
    given = asked.given()
    if not given:
        return subscription
    url = checked_url(asked.url, system, policy) if "url" in given else None
    faults = [*_url_faults(url, subscription, system), *_faults(subscription, asked, given, system, wire)]
    if faults:
        raise invalid_body(faults)
    changes: dict[str, Any] = {name: given[name] for name in ("description", "headers") if name in given}
    if "events" in given:
        changes["event_types"] = tuple(dict.fromkeys(asked.events))
    if "filters" in given:
        changes["filters"] = filters.stored(asked.filters)
    if isinstance(url, Destination):
        changes["url"] = url.url
    if "active" in given:
        changes |= {"active": asked.active, "inactive_reason": None if asked.active else DISABLED}
    redirected = changes.get("url", subscription.url) != subscription.url
    switched = changes.get("active", subscription.active) != subscription.active
    again = redirected or switched or given.get("active") is True
    return next_version(
        replace(subscription, **changes, generation=subscription.generation + again), now_ms=now_ms
    )


def rotated(subscription: Subscription, new: StoredSecret, *, old_until_ms: int, now_ms: int) -> Subscription:
    """Return the next version with a new secret in front; the old ones hold until `old_until_ms` at the latest.

    Raises:
        Problem: 409, as many old ones hold already.
    """
    kept = [
        replace(secret, expires_at=min(old_until_ms, secret.expires_at or old_until_ms))
        for secret in subscription.secrets
        if old_until_ms > now_ms and (secret.expires_at is None or secret.expires_at > now_ms)
    ]
    if len(kept) >= SECRETS_MAX:
        told = f"{len(kept)} signing secrets hold yet: wait until one ends, or end them with expires_in_s 0"
        raise Problem(409, "too_many_secrets", told)
    return next_version(replace(subscription, secrets=(new, *kept)), now_ms=now_ms)


def next_version(subscription: Subscription, *, now_ms: int) -> Subscription:
    """Return a subscription as the version that follows it; its time never goes back."""
    return replace(
        subscription,
        version=subscription.version + 1,
        updated_at=max(now_ms, subscription.updated_at),
        confirmed=False,
    )


def _url_faults(
    url: Destination | Fault | None, subscription: Subscription, system: System
) -> Iterable[Fault]:
    if isinstance(url, Fault):
        yield url
    elif url is not None:
        understood = system.host_formats.get(url.host, subscription.format)
        if understood != subscription.format:
            reason = f"{url.host} takes {understood} only, and the format of a webhook never changes"
            yield Fault(field="url", reason=reason)


def _faults(
    subscription: Subscription,
    asked: WebhookChange,
    given: dict[str, Any],
    system: System,
    wire: WireFormat,
) -> Iterable[Fault]:
    if "events" in given or "filters" in given:
        # Together as they will stand: events that are changed alone may lack what the filters ask of them.
        events = given.get("events", subscription.event_types)
        yield from wanted_faults(events, given.get("filters", filters.shown(subscription.filters)), system)
    if "description" in given:
        yield from text_faults({"description": asked.description})
    if "headers" in given:
        yield from header_faults(asked.headers, wire)
