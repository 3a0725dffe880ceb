"""The console's files, served beside the API.

They are read once, when the program starts: a request finds its path among known ones or nothing, so no path leads
out of the folder. What they may do is narrower than what a browser allows by itself: scripts and styles from here alone, and
no markup made of text (Trusted Types), which is what an event's data would have to become to do harm.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

PATH: Final = "/console/"
FOLDER: Final = Path(__file__).with_name("static")
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_ENTRANCES: Final = frozenset({"/", "/console"})


@dataclass(frozen=True, slots=True)
class Page:
    """One file.

    Attributes:
        tag: Its `ETag`; another content has another one.
    """

    content: bytes
    compressed: bytes
    media_type: str
    tag: str


def pages(folder: Path = FOLDER) -> Mapping[str, Page]:
    """Return path to file, for every file of a kind that a browser is given."""
    found = {
        PATH + file.relative_to(folder).as_posix(): _page(file)
        for file in sorted(folder.rglob("*"))
        if file.suffix in _TYPES
    }
    return found | {PATH: found[f"{PATH}index.html"]}


class Console:
    """An ASGI app that answers for the console and leaves every other path to the one it stands before.

    Args:
        app: The API.
        known: Path to file.
    """

    def __init__(self, app: ASGIApp, known: Mapping[str, Page]) -> None:
        self._app = app
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer(scope) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        if scope["method"] not in ("GET", "HEAD"):
            return None
        if scope["path"] in _ENTRANCES:
            return RedirectResponse(PATH, headers=_protection())
        page = self._known.get(scope["path"])
        return None if page is None else _response(page, Headers(scope=scope))


def _page(file: Path) -> Page:
    content = file.read_bytes()
    tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Page(content, gzip.compress(content, mtime=0), _TYPES[file.suffix], tag)


def _response(page: Page, asked: Headers) -> Response:
    headers = {**_protection(), "ETag": page.tag, "Vary": "Accept-Encoding"}
    if page.tag in asked.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in asked.get("accept-encoding", ""):
        zipped = {**headers, "Content-Encoding": "gzip"}
        return Response(page.compressed, headers=zipped, media_type=page.media_type)
    return Response(page.content, headers=headers, media_type=page.media_type)


def _protection() -> dict[str, str]:
    return {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        # Asked for again each time, answered with 304: a new version is whole at once, never half of each.
        "Cache-Control": "no-cache",
    }
