"""A TCP proxy: a network between two parties that tests may cut, freeze, slow down and heal."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, TypeVar

HOST: Final = "127.0.0.1"
_CHUNK: Final = 65_536
_CALL_S: Final = 10.0
_BACKLOG: Final = 512

T = TypeVar("T")
Network = Literal["sound", "cut", "half open"]


@dataclass(slots=True)
class Proxy:
    """Forwards connections to one port, on a thread of its own.

    Args:
        target: The port on loopback where it forwards to.
        port: Where it listens, on loopback; one that is free when 0.

    Attributes:
        delay_s: How long everything is under way, in either direction.
    """

    target: int
    port: int = 0
    delay_s: float = 0.0
    _network: Network = "sound"
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _server: asyncio.Server | None = None
    _bound: socket.socket = field(init=False)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._bind()

    @property
    def address(self) -> str:
        """What clients are given."""
        return f"{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end())
        self._bound.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None:
            self._thread.join(_CALL_S)
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection and refuse new ones, until `heal`."""
        self._network = "cut"
        self._call(self._deafen())
        self._bind()

    def swallow(self) -> None:
        """Accept everything and answer nothing, as where packets are dropped, until `heal`."""
        self._network = "half open"

    def heal(self) -> None:
        """Forward again, at once; what has lost something is reset."""
        was, self._network, self.delay_s = self._network, "sound", 0.0
        if was == "half open":
            self.reset()
        elif was == "cut":
            self._call(self._listen())

    def reset(self) -> None:
        """Reset every connection that is open now."""
        self._call(self._reset())

    def _bind(self) -> None:
        """Take the port, so that nobody else does; until it is listened on, connections are refused."""
        self._bound = socket.socket()
        self._bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._bound.bind((HOST, self.port))
        self.port = int(self._bound.getsockname()[1])

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._forward, sock=self._bound, backlog=_BACKLOG)

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._reset()

    async def _end(self) -> None:
        await self._deafen()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            await asyncio.wait(left, timeout=1.0)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.target)
        except OSError:
            self._drop(writer)
            return
        self._open.add(far_writer)
        try:
            ends = [
                asyncio.ensure_future(self._pump(*way))
                for way in ((reader, far_writer), (far_reader, writer))
            ]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)  # who hangs up how does not matter
        finally:
            self._drop(writer)
            self._drop(far_writer)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_CHUNK):
            if self._network != "sound":
                continue
            if self.delay_s:
                self._loop.call_later(self.delay_s, self._write, sink, data)
            else:
                self._write(sink, data)
                await sink.drain()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)  # what is still under way arrives before the end does

    def _write(self, sink: asyncio.StreamWriter, data: bytes) -> None:
        if self._network == "sound" and sink in self._open:
            sink.write(data)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        writer.transport.abort()

    async def _reset(self) -> None:
        for writer in list(self._open):
            self._drop(writer)

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_CALL_S)
