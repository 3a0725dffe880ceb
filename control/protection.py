"""What surrounds the whole app: a bound on bodies that announce their size, and headers on every answer.

It stands outside of the framework, so that the framework's own failures pass through it too.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control.bodies import BODY_MAX_BYTES, too_large

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",  # answers show secrets
}


class Protection:
    """An ASGI app around another."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        scope.setdefault("state", {})

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS | scope["state"].get("rate_limit", {}))
            await send(message)

        if _announced_bytes(Headers(scope=scope)) > BODY_MAX_BYTES:
            await too_large().response()(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)


def _announced_bytes(headers: Headers) -> int:
    length = headers.get("content-length", "")[:20]
    return int(length) if length.isdecimal() else 0
