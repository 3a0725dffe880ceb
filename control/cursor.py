"""Where a page of a listing ended. Opaque to callers, and of use to one organization alone. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

Position = tuple[int, str]
"""When a subscription was created (ms), and its id: the order of a listing. It outlives the subscription."""

_CHECK_BYTES: Final = 6
_TEXT = re.compile(rb"([0-9]{1,15}):(wh_[0-9a-f]{24})")


def encode(organization: str, position: Position) -> str:
    """Return the cursor of a position."""
    text = f"{position[0]}:{position[1]}".encode()
    return base64.urlsafe_b64encode(_check(organization, text) + text).decode().rstrip("=")


def decode(organization: str, cursor: str) -> Position | None:
    """Return the position of a cursor, or None if it is none of this organization's."""
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        return None
    check, text = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
    match = _TEXT.fullmatch(text)
    if match is None or check != _check(organization, text):
        return None
    return int(match[1]), match[2].decode()


def _check(organization: str, text: bytes) -> bytes:
    return hashlib.sha256(organization.encode() + b"\0" + text).digest()[:_CHECK_BYTES]
