"""What surrounds the whole app: a bound on bodies that announce their size, and headers on every answer.

It stands outside of the framework, so that the framework's own failures pass through it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.http.bodies import too_large

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),  # answers show secrets
)
_NAMES: Final = frozenset(name for name, _ in _HEADERS)


class Protection:
    """An ASGI app around another.

    Args:
        body_max_bytes: The largest body that any of its routes takes.
    """

    def __init__(self, app: ASGIApp, body_max_bytes: int) -> None:
        self._app = app
        self._body_max_bytes = body_max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        scope.setdefault("state", {})

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                told: Mapping[str, str] = scope["state"].get("rate_limit", {})
                kept = [pair for pair in message.get("headers", ()) if pair[0] not in _NAMES]
                message["headers"] = [
                    *kept,
                    *_HEADERS,
                    *[(name.lower().encode(), value.encode()) for name, value in told.items()],
                ]
            await send(message)

        if _announced_bytes(Headers(scope=scope)) > self._body_max_bytes:
            await too_large(self._body_max_bytes).response()(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)


def _announced_bytes(headers: Headers) -> int:
    length = headers.get("content-length", "")[:20]
    return int(length) if length.isdecimal() else 0
