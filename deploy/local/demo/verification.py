"""The receivers' half, as each system's documentation, or an open format's specification, tells how to write it.

Nothing of Tocsin is used here: what these functions accept, a customer's unchanged receiver accepts. Where the
documents leave something open, the notes in the system's `system.toml` state what was chosen.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

Verify = Callable[[Mapping[str, str], bytes, str], bool]
"""Takes headers (names in lower case), the raw body and the secret."""


def governlayer(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """GovernLayer: hex HMAC-SHA256 of the raw body."""
    signature = headers.get("x-governlayer-signature", "")
    expected = hmac.new(bytes(secret, "utf-8"), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature)


def driftguard(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """DriftGuard: hex HMAC-SHA256 of the raw body."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, headers.get("x-driftguard-signature", ""))


def compliancelayer(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """ComplianceLayer: hex HMAC-SHA256 of the raw body (its documents show it for Node)."""
    computed = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers.get("x-compliancelayer-signature", ""), computed)


def tork(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Tork: `sha256=` and the hex HMAC-SHA256 of timestamp, dot and body."""
    timestamp = headers.get("x-tork-timestamp", "")
    payload = f"{timestamp}.{body.decode()}"
    expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers.get("x-tork-signature", ""), f"sha256={expected}")


def truthvouch(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """TruthVouch: `sha256=` and the hex HMAC-SHA256 of the raw body; our choice among what its pages say."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers.get("x-truthvouch-signature", ""), f"sha256={expected}")


def standard_webhooks(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Standard Webhooks: `v1,` and the base64 HMAC-SHA256 of id, timestamp and body; one of several is enough."""
    signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected, signature) for signature in given)


def cloudevents(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """CloudEvents, binary: the required attributes are headers; signed as Standard Webhooks says."""
    required = {"ce-specversion", "ce-id", "ce-source", "ce-type"}
    return required <= headers.keys() and standard_webhooks(headers, body, secret)


DOCUMENTED: Mapping[str, Verify] = {
    "compliancelayer": compliancelayer,
    "driftguard": driftguard,
    "governlayer": governlayer,
    "tork": tork,
    "truthvouch": truthvouch,
}
"""System to what its receivers do."""

OPEN: Mapping[str, Verify] = {"cloudevents-binary": cloudevents, "standard-webhooks": standard_webhooks}
"""Open format to what its receivers do."""
