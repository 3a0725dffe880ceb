"""One signed POST: the HTTP edge of delivery, the only module that speaks httpx.

Whatever an endpoint does comes back as an `Outcome`: in bounded time, in bounded memory, and in words that a tenant
may read.
"""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Final, Self, cast

import httpx

from consumers.delivery.deadlines import Deadlines
from consumers.delivery.guard import Guard
from consumers.delivery.outcome import Answered, Failed, FailureKind, Outcome
from consumers.delivery.transport import GuardedTransport, Unsent, tls_context
from tocsin.destinations import Policy, parse_url
from tocsin.errors import DestinationNotAllowed, UrlInvalid

logger = logging.getLogger(__name__)

TIMEOUT_MAX_S: Final = 30.0
BODY_S: Final = 2.0
BODY_READ_BYTES: Final = 64 * 1024
BODY_KEPT_BYTES: Final = 16 * 1024
HEADERS_KEPT_BYTES: Final = 16 * 1024
BLOCKED: Final = "destination_not_allowed"

Header = tuple[str, str] | tuple[bytes, bytes]

_OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})
_IN_WORDS: Final = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "the connection timed out",
}


def _always() -> bool:
    return True


class DeliveryClient:
    """Posts to endpoints over one pool of connections. Made inside the running loop; close it with `aclose`.

    Args:
        policy: Where a POST may go; every connection is judged by it.
        tls: TLS settings; verified against the public authorities when left out.
        guard: The check at connect; made from `policy` when left out.
        limit: Most connections in use at once, 0 for no limit: pace is decided above. Idle ones come on top.
        body_s: How long a body may take after its head.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        tls: ssl.SSLContext | None = None,
        guard: Guard | None = None,
        limit: int = 0,
        body_s: float = BODY_S,
    ) -> None:
        self._transport: httpx.AsyncBaseTransport = GuardedTransport(
            guard or Guard(policy), tls=tls or tls_context(), limit=limit
        )
        self._deadlines = Deadlines()
        self._body_s = body_s
        # Endpoints are few and their URLs do not change: what policy says of a URL is remembered.
        self._accept = lru_cache(maxsize=10_000)(lambda url: httpx.URL(parse_url(url, policy).url))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def post(
        self,
        *,
        url: str,
        headers: Sequence[Header],
        body: bytes,
        timeout_s: float,
        may_send: Callable[[], bool] = _always,
    ) -> Outcome:
        """Make one POST, and never repeat it.

        Args:
            url: The endpoint, judged again here, for policy may have changed since it was written.
            headers: What is sent besides `host`, `content-length` and `accept-encoding`; names are sent as spelled.
            body: Exactly these bytes are sent.
            timeout_s: For lookup, connecting, TLS, writing and the head of the answer together; 30 at most.
            may_send: Asked at the last moment, once there is a connection.

        Returns:
            What it came to.

        Raises:
            Unsent: It might not be sent any more, and was not. Nothing else is raised but `asyncio.CancelledError`.
        """
        start_s = time.monotonic()
        response: httpx.Response | None = None
        kept = bytearray()
        complete = False
        try:
            with self._deadlines.within(min(timeout_s, TIMEOUT_MAX_S)) as deadline:
                request = self._request(url, headers, body)
                request.extensions["may_send"] = may_send
                response = await self._transport.handle_async_request(request)
                deadline.restart(self._body_s)
                complete = await _read(response, kept)
        except Unsent:
            raise
        except Exception as error:
            # The status decides: what breaks after the head changes nothing.
            if response is None:
                return _failure(error, time.monotonic() - start_s)
        finally:
            if response is not None:
                await _stream(response).aclose()
        return _answer(response, bytes(kept), complete, time.monotonic() - start_s)

    def _request(self, url: str, headers: Sequence[Header], body: bytes) -> httpx.Request:
        at = self._accept(url)
        # Made by hand: what httpx does to add the first three costs more than the rest of a request.
        named: list[Header] = [
            (b"Host", at.netloc),
            *headers,
            (b"Accept-Encoding", b"identity"),
            (b"Content-Length", b"%d" % len(body)),
        ]
        return httpx.Request("POST", at, headers=named, stream=httpx.ByteStream(body))  # type: ignore[arg-type]


def _stream(response: httpx.Response) -> httpx.AsyncByteStream:
    # The raw stream: httpx's own ways around it decode, look twice, and cost more than the rest of a POST.
    return cast(httpx.AsyncByteStream, response.stream)


async def _read(response: httpx.Response, kept: bytearray) -> bool:
    """Read a body into `kept` as far as it may be read; return whether that is all of it."""
    size = 0
    async for chunk in _stream(response):
        size += len(chunk)
        kept += chunk[: BODY_KEPT_BYTES - len(kept)]
        if size > BODY_READ_BYTES:
            return False
    return size <= BODY_KEPT_BYTES


def _answer(response: httpx.Response, body: bytes, complete: bool, duration_s: float) -> Outcome:
    status = response.status_code
    if not 200 <= status <= 599:
        return Failed("protocol", f"the endpoint answered with status {status}", duration_s)
    headers = [
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw
    ]
    retry_after = next((value for name, value in headers if name == "retry-after"), None)
    return Answered(status, tuple(_bounded(headers)), body, complete, duration_s, retry_after)


def _bounded(headers: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    room = HEADERS_KEPT_BYTES
    for name, value in headers:
        room -= len(name) + len(value)
        if room < 0:
            return
        yield name, value


def _failure(error: Exception, duration_s: float) -> Failed:
    kind, words = classify(error)
    if kind == "refused_by_policy":
        return Failed(kind, words, 0.0)
    if kind == "local":
        logger.error("delivery failed on our side: %s", words, exc_info=error)
    return Failed(kind, words, duration_s)


def classify(error: Exception) -> tuple[FailureKind, str]:
    """Say what kind of failure an exception is, and put it in words that name no address.

    A library's own message is never used, for it may hold addresses. The innermost cause that is known decides,
    because libraries wrap them in what they are not: a refused socket comes out as a connection timeout.
    """
    for cause in reversed([*_causes(error)]):
        known = _known(cause)
        if known is not None:
            return known
    if isinstance(error, httpx.ConnectError):
        return "connect", "the connection failed"
    if isinstance(error, httpx.NetworkError):
        return "reset", "the endpoint closed the connection without an answer"
    if isinstance(error, httpx.ProtocolError):
        return "protocol", "the endpoint's answer is not HTTP, or is too long"
    return "local", type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def _known(error: BaseException) -> tuple[FailureKind, str] | None:
    match error:
        case DestinationNotAllowed() | UrlInvalid():
            return "refused_by_policy", BLOCKED
        case socket.gaierror():
            return "dns", "the host name does not resolve"
        case ssl.SSLCertVerificationError():
            return "tls", f"TLS certificate refused: {getattr(error, 'verify_message', 'not for this name')}"
        case ssl.SSLError():
            return "tls", f"TLS failed: {getattr(error, 'reason', None) or 'handshake broken off'}"
        case TimeoutError(errno=None):
            return "timeout", "no answer in time"
        case OSError(errno=code) if code in _OURS:
            return "local", errno.errorcode[code]
        case OSError(errno=code) if code in _IN_WORDS:
            return ("reset" if code in (errno.ECONNRESET, errno.EPIPE) else "connect"), _IN_WORDS[code]
    return None
