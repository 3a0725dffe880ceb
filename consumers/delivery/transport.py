"""httpx's transport interface over aiohttp's guarded connection pool.

aiohttp makes a POST in a twentieth of the CPU that httpx's own pool takes with many connections open. The client
above knows httpx's interface alone, so either side can be exchanged.
"""

from __future__ import annotations

import io
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import aiohttp
import certifi
import httpx
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from consumers.delivery.bounds import ResponseRefused
from consumers.delivery.guard import Guard, GuardedConnector

_ADDED_BY_AIOHTTP: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

_BODY_COPIED_BYTES: Final = 1 << 20
"""aiohttp wants larger bodies as files, so that it writes them in pieces."""


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


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests to where the guard lets them go. Belongs to the loop that is running when it is made."""

    def __init__(self, guard: Guard, *, tls: ssl.SSLContext, limit: int = 0) -> None:
        self._session = aiohttp.ClientSession(
            connector=GuardedConnector(guard, tls=tls, limit=limit),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_ADDED_BY_AIOHTTP,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return its response, head read, body not.

        There is no time limit here: the caller has the clock.

        Raises:
            httpx.TransportError: No answer came; the cause is chained.
        """
        body = request.read()
        with _as_httpx():
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=CIMultiDict((name.decode(), value.decode()) for name, value in request.headers.raw),
                data=body if len(body) < _BODY_COPIED_BYTES else io.BytesIO(body),
                allow_redirects=False,
            )
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=ResponseBody(response), request=request
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


class ResponseBody(httpx.AsyncByteStream):
    """A response's body as it comes in; closing it before its end closes the connection."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with _as_httpx():
            chunk = await self._response.content.readany()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._response.close()


@contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientConnectorError, TimeoutError) as error:
        raise httpx.ConnectError(type(error).__name__) from error
    except aiohttp.ClientConnectionError as error:
        raise httpx.ReadError(type(error).__name__) from error
    except (ResponseRefused, aiohttp.ClientError, HttpProcessingError, ValueError) as error:
        raise httpx.RemoteProtocolError(type(error).__name__) from error
