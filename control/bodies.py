"""Request bodies: bounded in size, time and depth before anything parses them."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from control.problems import Fault, Problem, invalid_body

BODY_MAX_BYTES: Final = 256 * 1024
DEPTH_MAX: Final = 64
BODY_MAX_S: Final = 15.0
"""A body that takes longer holds a connection for nothing."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def too_large() -> Problem:
    """Return the answer to a body over the bound; the rest of it is not read."""
    return Problem(
        413,
        "body_too_large",
        f"the body is over {BODY_MAX_BYTES // 1024} KiB",
        headers={"Connection": "close"},
    )


async def json_body(request: Request) -> bytes:
    """Return a request's body, not yet parsed.

    Raises:
        Problem: 400 nested too deeply, 408 too slow, 413 too large, 415 not JSON.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "not_json", f"the body must be application/json, not {media_type[:100]}")
    try:
        async with asyncio.timeout(BODY_MAX_S):
            body = await _read(request)
    except TimeoutError:
        slow = f"the body took over {BODY_MAX_S:.0f} s"
        raise Problem(408, "body_too_slow", slow, headers={"Connection": "close"}) from None
    if depth(body) > DEPTH_MAX:
        raise invalid_body([Fault(field="body", reason=f"nested deeper than {DEPTH_MAX} levels")])
    return body


def depth(body: bytes) -> int:
    """Return how deeply objects and arrays are nested in JSON; of what is no JSON, some bound of it."""
    level = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        level += 1 if bracket in b"[{" else -1
        deepest = max(deepest, level)
    return deepest


async def _read(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_MAX_BYTES:
                raise too_large()
    except ClientDisconnect:
        raise Problem(400, "body_incomplete", "the body ended early") from None
    return bytes(body)
