"""The receiver's half: does this request come from who it says, unchanged and fresh?

tocsin.verify("tork", request.headers, request.body, secret)
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tocsin.errors import NoSecret, SignatureInvalid
from tocsin.wire.formats import WireFormat
from tocsin.wire.signing import MESSAGE_ID, SignatureScheme, signature, signed_before_body, signing_key
from tocsin.wire.systems import System, load_systems

TOLERANCE_S: Final = 300
_SECONDS: Final = re.compile(r"[0-9]{1,12}\Z", re.ASCII)

HeaderPairs = Mapping[str, str] | Iterable[tuple[str, str]]


def verify(
    of: str | System | WireFormat | SignatureScheme,
    headers: HeaderPairs,
    body: bytes,
    secrets: str | Sequence[str],
    *,
    now: float | None = None,
    tolerance_s: float = TOLERANCE_S,
) -> None:
    """Verify a received webhook; return only if it is genuine.

    Args:
        of: Who it should be from: the name of a system or open format, or what was loaded of it.
        headers: As received; names in any case.
        body: The raw bytes, before any parsing.
        secrets: The signing secret, or several while it rotates: one that fits is enough.
        now: Seconds since the epoch; the clock's, when None.
        tolerance_s: How far the timestamp may lie from now, where the format has one.

    Raises:
        SignatureInvalid: It is not genuine, or too old to tell; answer 401.
        SecretInvalid, NoSecret: The receiver's own secret is unusable.
        KeyError: No system or open format has this name.
    """
    scheme = _scheme(of)
    if scheme.header is None:
        raise SignatureInvalid("this format carries no signature")
    keys = [signing_key(scheme, text) for text in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise NoSecret("no secret to verify with")
    found = _lower(headers)
    message_id = _message_id(scheme, found)
    timestamp = _timestamp(scheme, found, time.time() if now is None else now, tolerance_s)
    given = _required(found, scheme.header)
    before = signed_before_body(scheme, message_id, timestamp)
    expected = [signature(scheme, key, before, body).encode() for key in keys]
    candidates = given.split(" ") if scheme.multiple else [given]
    fits = False
    for candidate in candidates:
        for each in expected:
            fits |= hmac.compare_digest(candidate.encode("utf-8", "surrogatepass"), each)
    if not fits:
        raise SignatureInvalid(f"{scheme.header} does not fit body and secret")


def _scheme(of: str | System | WireFormat | SignatureScheme) -> SignatureScheme:
    if isinstance(of, SignatureScheme):
        return of
    if isinstance(of, WireFormat):
        return of.signature
    if isinstance(of, System):
        return of.wire.signature
    systems = load_systems()
    return systems[of].wire.signature if of in systems else systems.formats[of].signature


def _lower(headers: HeaderPairs) -> dict[str, str]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name.lower(), value) != value:
            found[name.lower()] = f"{found[name.lower()]}, {value}"
    return found


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name.lower())
    if not value:
        raise SignatureInvalid(f"header {name} is missing")
    return value


def _message_id(scheme: SignatureScheme, headers: Mapping[str, str]) -> str:
    if "id" not in scheme.content or scheme.id_header is None:
        return ""
    message_id = _required(headers, scheme.id_header)
    if not MESSAGE_ID.match(message_id):
        raise SignatureInvalid(f"header {scheme.id_header} is not 1 to 64 of [A-Za-z0-9_-]")
    return message_id


def _timestamp(scheme: SignatureScheme, headers: Mapping[str, str], now: float, tolerance_s: float) -> str:
    if "timestamp" not in scheme.content or scheme.timestamp_header is None:
        return ""
    timestamp = _required(headers, scheme.timestamp_header)
    if not _SECONDS.match(timestamp):
        raise SignatureInvalid(f"header {scheme.timestamp_header} is not seconds since 1970")
    age_s = now - int(timestamp)
    if abs(age_s) > tolerance_s:
        raise SignatureInvalid(
            f"signed {abs(age_s):.0f} s {'ago' if age_s > 0 else 'ahead of now'}, over {tolerance_s:.0f} s"
        )
    return timestamp
