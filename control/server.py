"""uvicorn under this project's lifecycle: its stop, its one-line errors, its sign of being ready."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from tocsin import lifecycle
from tocsin.errors import ConfigurationError
from tocsin.lifecycle import Stop

_BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ConfigurationError: The port is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {error.strerror}"
        raise ConfigurationError("TOCSIN_CONTROL_PORT", "", reason) from error


def serve(
    app: ASGIApp, sock: socket.socket, stop: Stop, stop_within_s: float, check: Callable[[], object]
) -> None:
    """Serve until asked to stop; open requests end within the stop's deadline.

    Args:
        check: Called several times a second; what it raises ends the program.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=round(stop_within_s),
    )
    server = _Server(config, check)
    stop.on_asked(server.ask_to_exit)
    server.run([sock])
    if server.failed is not None:
        raise server.failed


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
