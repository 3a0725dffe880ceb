"""How long requests take, by what was asked and what was answered."""

from __future__ import annotations

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.telemetry.meter import Histogram
from tocsin.telemetry.metrics import OTHER

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ANSWER: Final = "499"
"""Nothing was answered: the caller had gone."""


class Measured:
    """An ASGI app around another.

    Args:
        duration: Of `metrics.REQUESTS`.
        prefixes: Paths that are no routes, such as the console's: what begins with one is told by it.
    """

    def __init__(self, app: ASGIApp, duration: Histogram, *prefixes: str) -> None:
        self._app = app
        self._duration = duration
        self._prefixes = prefixes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s, status = time.monotonic(), _NO_ANSWER

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
            self._duration.record(time.monotonic() - began_s, method, self._route(scope), status)

    def _route(self, scope: Scope) -> str:
        if "endpoint" in scope:
            # The framework's own template lacks the prefix of a router that another one includes.
            named = {value: f"{{{name}}}" for name, value in scope.get("path_params", {}).items()}
            return "/".join(named.get(segment, segment) for segment in scope["path"].split("/"))
        return next((each for each in self._prefixes if scope["path"].startswith(each)), OTHER)
