"""Request bodies: bounded in size, time and depth before anything parses them."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from tocsin.http.problems import Fault, Problem, invalid_body

BODY_MAX_BYTES: Final = 256 * 1024
DEPTH_MAX: Final = 64
BODY_MAX_S: Final = 15.0
"""A body that takes longer holds a connection for nothing."""

_BESIDES = bytes(set(range(256)) - set(b'"[]{}'))


def too_large(max_bytes: int) -> Problem:
    """Return the answer to a body over the bound; the rest of it is not read."""
    return Problem(
        413,
        "body_too_large",
        f"the body is over {max_bytes // 1024} KiB",
        headers={"Connection": "close"},
    )


async def json_body(request: Request) -> bytes:
    """Return a request's body, not yet parsed.

    Raises:
        Problem: 415 not JSON; else as `bounded` and `check_depth`.
    """
    sent = media_type(request)
    if sent != "application/json":
        raise Problem(415, "not_json", f"the body must be application/json, not {sent[:100]}")
    body = await bounded(request, BODY_MAX_BYTES)
    check_depth(body)
    return body


def media_type(request: Request) -> str:
    """Return the media type of a request's body, without parameters; JSON when it says none."""
    return request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()


async def bounded(request: Request, max_bytes: int) -> bytes:
    """Return a request's body.

    Raises:
        Problem: 400 ended early, 408 too slow, 413 too large.
    """
    try:
        async with asyncio.timeout(BODY_MAX_S):
            return await _read(request, max_bytes)
    except TimeoutError:
        slow = f"the body took over {BODY_MAX_S:.0f} s"
        raise Problem(408, "body_too_slow", slow, headers={"Connection": "close"}) from None


def check_depth(body: bytes) -> None:
    """Refuse JSON that is nested too deeply.

    Raises:
        Problem: 400.
    """
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and depth(body) > DEPTH_MAX:
        raise invalid_body([Fault(field="body", reason=f"nested deeper than {DEPTH_MAX} levels")])


def depth(body: bytes) -> int:
    """Return how deeply objects and arrays are nested in JSON; of what is no JSON, some bound of it."""
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside_of_strings = unescaped.translate(None, _BESIDES).split(b'"')[::2]
    level = deepest = 0
    for bracket in b"".join(outside_of_strings):
        if bracket in b"[{":
            level += 1
            deepest = max(deepest, level)
        else:
            level -= 1
    return deepest


async def _read(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise too_large(max_bytes)
    except ClientDisconnect:
        raise Problem(400, "body_incomplete", "the body ended early") from None
    return bytes(body)
