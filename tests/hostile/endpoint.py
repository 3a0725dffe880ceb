"""Endpoints that do to a request what a test says, byte by byte, on raw connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HEAD_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in. `headers` keeps spelling and order."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the only value of a header; None when it is missing."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None


@dataclass(slots=True)
class Exchange:
    """One request and the connection it came on."""

    number: int
    request: Received
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *packets: bytes) -> None:
        """Send packets, each after the other side has had the chance to read the one before."""
        for packet in packets:
            self.writer.write(packet)
            await self.writer.drain()
            await turns(20)

    async def flood(self, head: bytes, piece: bytes) -> None:
        """Send a head and then the same piece until the other side hangs up."""
        self.writer.write(head)
        while True:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    def reset(self) -> None:
        """End the connection with a reset."""
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[None]]


@dataclass(slots=True)
class Endpoint:
    """A running endpoint and what it saw."""

    port: int
    scheme: str
    requests: list[Received] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        """Return a URL that leads here."""
        return f"{self.scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def endpoint(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    """Run an endpoint on a free port of loopback; `behave` is called with every request."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.connections += 1
        try:
            while (request := await read_request(reader)) is not None:
                running.requests.append(request)
                await behave(Exchange(len(running.requests), request, reader, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls, limit=HEAD_MAX_BYTES)
    running = Endpoint(server.sockets[0].getsockname()[1], "https" if tls else "http")
    try:
        yield running
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await turns(5)


async def read_request(reader: asyncio.StreamReader) -> Received | None:
    """Read one request; None when the client has closed."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *fields = head[:-4].decode("latin-1").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (field.partition(":") for field in fields))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Received(line, headers, await reader.readexactly(length))


def answers(*packets: bytes) -> Behaviour:
    """Return the behaviour that sends these packets to every request."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(*packets)

    return behave


def hangs() -> Behaviour:
    """Return the behaviour that never says anything."""

    async def behave(exchange: Exchange) -> None:
        await exchange.reader.read()

    return behave


def floods(head: bytes, piece: bytes) -> Behaviour:
    """Return the behaviour that sends a head and then one piece without end."""

    async def behave(exchange: Exchange) -> None:
        await exchange.flood(head, piece)

    return behave


async def turns(count: int) -> None:
    """Let the event loop go round, so that both ends of a connection see what is on it."""
    for _ in range(count):
        await asyncio.sleep(0)
