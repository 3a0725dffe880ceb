"""A subscription as its owner sees it. Pure. Secrets are shown once, in the answer to the creation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from control import filters
from tocsin.subscriptions import StoredSecret, Subscription
from tocsin.wire.disclosure import HIDDEN, shown_url
from tocsin.wire.systems import System, WireFormat


def created(subscription: Subscription, system: System, secret: str | None) -> dict[str, Any]:
    """Return the answer to a creation: everything, once.

    Args:
        subscription: Opened.
        secret: The signing secret's text, or None where the format has none.
    """
    return _fields(subscription, system, subscription.url, subscription.headers, {"secret": secret})


def shown(subscription: Subscription, system: System, wire: WireFormat) -> dict[str, Any]:
    """Return what is shown at any later time: neither secrets nor what may be one."""
    headers = dict.fromkeys((*subscription.headers, *subscription.sealed_headers), HIDDEN)
    return _fields(subscription, system, shown_url(subscription.url, wire), headers, {})


def documented(fields: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return the fields with these names, in the order of the names; all where no names are documented."""
    return {name: fields[name] for name in names if name in fields} if names else dict(fields)


def rfc3339(time_ms: int, precision: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """Return a time as text, in UTC."""
    # Whole milliseconds: a float of seconds may fall one short of them.
    moment = datetime.fromtimestamp(time_ms // 1000, UTC).replace(microsecond=time_ms % 1000 * 1000)
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def _fields(
    subscription: Subscription,
    system: System,
    url: str,
    headers: Mapping[str, str],
    secret: Mapping[str, str | None],
) -> dict[str, Any]:
    return {
        "id": subscription.id,
        "url": url,
        "events": list(subscription.event_types),
        **{name: subscription.scope.get(name) for name in system.api.scope},
        "active": subscription.active,
        **secret,
        "created_at": rfc3339(subscription.created_at),
        "format": subscription.format,
        "filters": filters.shown(subscription.filters),
        "description": subscription.description,
        "headers": dict(headers),
        "secrets": [_secret_info(stored) for stored in subscription.secrets],
        "disabled_reason": subscription.inactive_reason,
        "effective_at": rfc3339(subscription.effective_at, "milliseconds"),
        "updated_at": rfc3339(subscription.updated_at),
        "version": subscription.version,
    }


def _secret_info(secret: StoredSecret) -> dict[str, Any]:
    return {
        "id": secret.id,
        "created_at": rfc3339(secret.created_at),
        "expires_at": None if secret.expires_at is None else rfc3339(secret.expires_at),
    }
