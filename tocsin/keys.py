"""API keys: `toc_<id>_<random><checksum>`. Only a digest of the whole key is stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import string
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SCOPES: Final = ("publish", "manage", "read", "replay", "admin")
"""What a key may allow in its organization; `admin` allows everything, each other one itself alone."""
OPERATE: Final = "operate"
"""What looking after the whole installation needs. No scope of an organization holds it, `admin` neither."""

_ID_BYTES: Final = 7
_SECRET_CHARS: Final = 40
_SECRET_BYTES: Final = 29  # the most that 40 letters and digits can hold
RANDOM_BYTES: Final = _ID_BYTES + _SECRET_BYTES
"""How many random bytes a key is made of."""

_LETTERS: Final = string.ascii_letters + string.digits

_SHAPE = re.compile(r"toc_([a-z0-9]{12})_([A-Za-z0-9]{40})([a-z2-7]{7})\Z")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is stored of a key. Times are milliseconds since the epoch.

    Attributes:
        organization: The tenant it speaks for.
        system: The documented system whose events this tenant gets.
        sha256: Digest of the whole key.
    """

    id: str
    organization: str
    system: str
    sha256: bytes = field(repr=False)
    scopes: tuple[str, ...]
    created_at: int
    description: str = ""
    expires_at: int | None = None
    revoked_at: int | None = None


def new_key(random: bytes) -> tuple[str, str]:
    """Return a new key's id and text.

    Args:
        random: At least `RANDOM_BYTES` random bytes; the id and the secret part share none of them.
    """
    if len(random) < RANDOM_BYTES:
        raise ValueError(f"a key is made of {RANDOM_BYTES} random bytes, not {len(random)}")
    key_id = base64.b32encode(random[:_ID_BYTES]).decode().lower().rstrip("=")
    secret = _letters(int.from_bytes(random[_ID_BYTES:RANDOM_BYTES]))
    return key_id, f"toc_{key_id}_{secret}{_checksum(key_id + secret)}"


def key_id(text: str) -> str | None:
    """Return the id in a key's text, or None if it cannot be a key: no look-up is worth it."""
    match = _SHAPE.match(text)
    if match is None or not hmac.compare_digest(_checksum(match[1] + match[2]), match[3]):
        return None
    return match[1]


def digest(text: str) -> bytes:
    """Return what is stored of a key's text."""
    return hashlib.sha256(text.encode()).digest()


def usable(key: ApiKey, text: str, now_ms: int) -> bool:
    """Return whether `text` is this key and the key is neither expired nor revoked."""
    same = hmac.compare_digest(key.sha256, digest(text))
    alive = key.revoked_at is None and (key.expires_at is None or now_ms < key.expires_at)
    return same and alive


def allows(key: ApiKey, scope: str) -> bool:
    """Return whether a key allows what needs a scope."""
    return scope in key.scopes or ("admin" in key.scopes and scope != OPERATE)


def state(key: ApiKey, now_ms: int) -> str:
    """Return `active`, `revoked` or `expired`."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now_ms else "active"


def supersedes(new: ApiKey, known: ApiKey) -> bool:
    """Return whether a later record of a key takes the place of the known one: what is revoked stays revoked."""
    return known.revoked_at is None or new.revoked_at is not None


def to_record(key: ApiKey) -> dict[str, Any]:
    """Return the Avro record of a key."""
    return {name: getattr(key, name) for name in ApiKey.__slots__} | {"scopes": list(key.scopes)}


def from_record(record: Mapping[str, Any]) -> ApiKey:
    """Return the key that an Avro record holds."""
    return ApiKey(**{name: record[name] for name in ApiKey.__slots__} | {"scopes": tuple(record["scopes"])})


def _letters(number: int) -> str:
    digits = []
    for _ in range(_SECRET_CHARS):
        number, digit = divmod(number, len(_LETTERS))
        digits.append(_LETTERS[digit])
    return "".join(digits)


def _checksum(text: str) -> str:
    return base64.b32encode(zlib.crc32(text.encode()).to_bytes(4, "big")).decode().lower().rstrip("=")
