"""What the audit tells of subscriptions and keys: all that may change of them, and nothing that is a secret. Pure."""

from __future__ import annotations

from typing import Any

from tocsin.keys import ApiKey
from tocsin.subscriptions import Subscription
from tocsin.wire.disclosure import shown_url
from tocsin.wire.systems import WireFormat


def subscription(known: Subscription | None, wire: WireFormat) -> dict[str, Any]:
    """Return a subscription as the audit tells of it; nothing where there is none.

    Secrets are named by their ids, so that a rotation shows; the owner's own headers by their names alone.
    """
    if known is None:
        return {}
    return {
        "system": known.system,
        "format": known.format,
        "url": shown_url(known.url, wire),
        "events": list(known.event_types),
        "scope": dict(known.scope),
        "filters": known.filters,
        "active": known.active,
        "inactive_reason": known.inactive_reason,
        "description": known.description,
        "headers": sorted({*known.headers, *known.sealed_headers}),
        "secrets": {secret.id: secret.expires_at for secret in known.secrets},
        "version": known.version,
    }


def key(known: ApiKey | None) -> dict[str, Any]:
    """Return an API key as the audit tells of it; nothing where there is none."""
    if known is None:
        return {}
    names = ("system", "scopes", "description", "expires_at", "revoked_at")
    return {name: getattr(known, name) for name in names}
