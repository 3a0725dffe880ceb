"""Where a page of a listing ended. Opaque to callers, and of use to one organization alone. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

from tocsin.http.problems import Fault, Problem

Position = tuple[int, str]
"""When something was created (ms), and its id: the order of a listing. It outlives what stands there."""

_CHECK_BYTES: Final = 6
_TEXT = re.compile(rb"([0-9]{1,15}):([A-Za-z0-9._-]{1,64})")


def encode(organization: str, listing: str, position: Position) -> str:
    """Return the cursor of a position in a listing."""
    text = f"{position[0]}:{position[1]}".encode()
    return base64.urlsafe_b64encode(_check(organization, listing, text) + text).decode().rstrip("=")


def decode(organization: str, listing: str, cursor: str) -> Position | None:
    """Return the position of a cursor, or None if it is none of this organization's in this listing."""
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        return None
    check, text = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
    match = _TEXT.fullmatch(text)
    if match is None or check != _check(organization, listing, text):
        return None
    return int(match[1]), match[2].decode()


def required(organization: str, listing: str, cursor: str | None) -> Position | None:
    """Return the position that a request's `after` names; None if it names none.

    Raises:
        Problem: 400, it is no cursor of this organization's in this listing.
    """
    if cursor is None:
        return None
    position = decode(organization, listing, cursor)
    if position is None:
        raise invalid()
    return position


def invalid() -> Problem:
    """Return the answer to an `after` that is no cursor."""
    fault = Fault(field="after", reason="is not the `next` of a page of this listing and organization")
    return Problem(400, "invalid_parameter", f"after: {fault.reason}", errors=[fault])


def _check(organization: str, listing: str, text: bytes) -> bytes:
    return hashlib.sha256(f"{organization}\0{listing}\0".encode() + text).digest()[:_CHECK_BYTES]
