"""uvicorn under this project's lifecycle: its stop, its one-line errors, its sign of being ready."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from tocsin import lifecycle
from tocsin.errors import ConfigurationError
from tocsin.lifecycle import Stop

_BACKLOG = 1024
HEAD_MAX_S: Final = 10.0
"""A request whose head takes longer, or a connection without one, is closed: it holds a socket for nothing."""


def listen(host: str, port: int, variable: str) -> socket.socket:
    """Return a listening socket.

    Args:
        variable: The setting that says where; an error names it.

    Raises:
        ConfigurationError: The port is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {error.strerror}"
        raise ConfigurationError(variable, "", reason) from error


def serve(
    app: ASGIApp, sock: socket.socket, stop: Stop, stop_within_s: float, check: Callable[[], object]
) -> None:
    """Serve until asked to stop; open requests end within the stop's deadline.

    Args:
        check: Called several times a second; what it raises ends the program.
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_graceful_shutdown=round(stop_within_s),
    )
    server = _Server(config, check)
    stop.on_asked(server.ask_to_exit)
    server.run([sock])
    if server.failed is not None:
        raise server.failed


class _Protocol(H11Protocol):
    """HTTP with a time limit on heads. h11 bounds their size (64 KiB); uvicorn bounds the idle time between requests."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_due = self.loop.call_later(HEAD_MAX_S, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._head_due is None:
            self._head_due = self.loop.call_later(HEAD_MAX_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _forget(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, check: Callable[[], object]) -> None:
        super().__init__(config)
        self._check = check
        self.failed: BaseException | None = None

    def ask_to_exit(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the lifecycle."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        lifecycle.ready()

    async def on_tick(self, counter: int) -> bool:
        try:
            self._check()
        except BaseException as error:
            self.failed = error
            return True
        return await super().on_tick(counter)
