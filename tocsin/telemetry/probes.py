"""The probes' port: `/livez`, `/readyz` and `/metrics`, on a thread of its own, apart from everything that callers reach.

Whoever can reach it may ask anything of it, so nothing of it is open for long: a request has five seconds in all, and
of many connections the oldest is given up for a new one.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from tocsin.errors import ConfigurationError

_log = logging.getLogger("tocsin.telemetry")

VARIABLE: Final = "TOCSIN_PROBES"
REQUEST_MAX_S: Final = 5.0
HEAD_MAX_BYTES: Final = 8 * 1024
OPEN_MAX: Final = 32


Answer = tuple[int, str, bytes]
"""Status, content type and body."""

Paths = dict[str, Callable[[], Answer]]
PLAIN: Final = "text/plain; charset=utf-8"
_NOT_FOUND: Final = (404, PLAIN, b"there are /livez, /readyz and /metrics\n")
_FAILED: Final = (500, PLAIN, b"see the log\n")
_NOT_ALLOWED: Final = (405, PLAIN, b"only GET\n")


def listen(address: str) -> socket.socket:
    """Return a listening socket at `host:port`; port 0 is any that is free.

    Raises:
        ConfigurationError: It is no address, or is taken.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigurationError(VARIABLE, address, "an address has the form host:port, such as 0.0.0.0:9464")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=OPEN_MAX)
    except OSError as error:
        raise ConfigurationError(VARIABLE, address, f"cannot listen there: {error.strerror}") from error


class Probes:
    """Answers on a socket until it is closed.

    Args:
        sock: Listening.
        paths: What is asked to what answers it, on the probes' thread.

    Attributes:
        url: Where it answers.
    """

    def __init__(self, sock: socket.socket, paths: Paths) -> None:
        host, port = sock.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._sock = sock
        self._paths = paths
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._open: dict[asyncio.StreamWriter, None] = {}
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        with suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(2.0)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._sock, limit=HEAD_MAX_BYTES)
        await self._over.wait()
        server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= OPEN_MAX:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.transport.abort()
        self._open[writer] = None
        try:
            async with asyncio.timeout(REQUEST_MAX_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._response(head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._open.pop(writer, None)
            writer.close()

    def _answer(self, path: str) -> Answer:
        try:
            return self._paths.get(path, lambda: _NOT_FOUND)()
        except Exception:
            _log.exception("%s", path)
            return _FAILED

    def _response(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.split(b" ", 1)[0].partition(b"?")[0].decode("latin-1")
        status, content_type, body = self._answer(path) if method in (b"GET", b"HEAD") else _NOT_ALLOWED
        first = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return first.encode() + (b"" if method == b"HEAD" else body)
