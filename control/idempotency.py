"""`Idempotency-Key`: a request that is repeated with it does once what it asks for."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import Header

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Repeat a request with the same key and it is the same one, not another.",
    ),
]


def derived(key: str, *place: str) -> str:
    """Return 24 hexadecimal digits that follow from a key and where it is used; nobody's key meets another's."""
    return hashlib.sha256("\0".join((*place, key)).encode()).hexdigest()[:24]
