"""httpx's transport interface over aiohttp's guarded connection pool.

aiohttp makes a POST in a twentieth of the CPU that httpx's own pool takes with many connections open. The client
above knows httpx's interface alone, so either side can be exchanged.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

import aiohttp
import certifi
import httpx
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from yarl import URL

from consumers.delivery.bounds import ResponseRefused
from consumers.delivery.guard import Guard, GuardedConnector

_UNTIMED: Final = aiohttp.ClientTimeout(total=None, sock_connect=None)
_KNOWN: Final = (ResponseRefused, aiohttp.ClientError, HttpProcessingError, TimeoutError, ValueError)
_CONTROL: Final = bytes({*range(0x20), 0x7F} - {0x09})


def tls_context(ca: Path | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """Return the TLS settings of all deliveries: 1.2 or newer, verified, nothing read from the environment.

    `ssl.create_default_context` would obey `SSL_CERT_FILE` and write session keys to `SSLKEYLOGFILE`.

    Args:
        ca: A PEM file with certificate authorities trusted besides the public ones.
        verify: False only for tests against throw-away certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    if ca is not None:
        context.load_verify_locations(ca)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Unsent(Exception):
    """A request was not sent: it might not be any more, once there was a connection."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests to where the guard lets them go. Belongs to the loop that is running when it is made.

    It takes connections, TLS and the parser of answers from aiohttp, and writes requests itself: what goes out is known
    to the byte already, and aiohttp's session and request objects cost more than the rest of a POST.
    """

    def __init__(self, guard: Guard, *, tls: ssl.SSLContext, limit: int = 0) -> None:
        self._connector = GuardedConnector(guard, tls=tls, limit=limit)
        self._loop = asyncio.get_running_loop()
        # Origins are few. aiohttp asks a request where it goes; of ours it sees this one for each origin.
        self._origin = lru_cache(maxsize=10_000)(
            lambda scheme, host, port: aiohttp.ClientRequest(
                "POST", URL.build(scheme=scheme, host=host, port=port), loop=self._loop
            )
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return its response, head read, body not.

        There is no time limit here: the caller has the clock.

        Args:
            request: Its extension `may_send` is asked once there is a connection.

        Raises:
            Unsent: It may not be sent.
            httpx.TransportError: No answer came; the cause is chained.
        """
        at, message = request.url, _message(request)
        try:
            connection = await self._connector.connect(
                self._origin(at.scheme, at.raw_host.decode(), at.port), [], _UNTIMED
            )
            try:
                if not request.extensions["may_send"]():
                    raise Unsent
                head, body = await _exchange(connection, message)
            except BaseException:
                connection.close()
                raise
        except _KNOWN as error:
            raise _as_httpx(error) from error
        return httpx.Response(
            head.code, headers=head.raw_headers, stream=ResponseBody(connection, body), request=request
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connector.close()


class ResponseBody(httpx.AsyncByteStream):
    """A response's body as it comes in; closing it before its end closes the connection."""

    def __init__(self, connection: Connection, content: StreamReader) -> None:
        self._connection = connection
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._content.readany()
        except _KNOWN as error:
            raise _as_httpx(error) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        transport = self._connection.transport
        # An answer that came before its request was read leaves the rest of that in the way of the next one.
        if self._content.is_eof() and transport is not None and not transport.get_write_buffer_size():
            self._connection.release()
        else:
            self._connection.close()


def _message(request: httpx.Request) -> bytes:
    """Return a request as it goes over the wire.

    Raises:
        httpx.LocalProtocolError: A header holds what would end it, or is no text.
    """
    lines = [b"POST %b HTTP/1.1" % request.url.raw_path]
    lines += [b"%b: %b" % pair for pair in request.headers.raw]
    for line in lines:
        if line.translate(None, _CONTROL) != line:
            raise httpx.LocalProtocolError("a header holds a control character")
    # Its own `read` asks `typing` what a stream is, which takes longer than joining what there is of it.
    return b"\r\n".join([*lines, b"", *cast(httpx.SyncByteStream, request.stream)])


async def _exchange(connection: Connection, message: bytes) -> tuple[RawResponseMessage, StreamReader]:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or transport.is_closing():
        raise aiohttp.ClientConnectionResetError("the connection was closed before the request")
    protocol.set_response_params(read_until_eof=True, auto_decompress=False)
    transport.write(message)
    return await protocol.read()


def _as_httpx(error: Exception) -> httpx.TransportError:
    match error:
        case aiohttp.ClientConnectorError() | TimeoutError():
            return httpx.ConnectError(type(error).__name__)
        case aiohttp.ClientConnectionError():
            return httpx.ReadError(type(error).__name__)
        case _:
            return httpx.RemoteProtocolError(type(error).__name__)
