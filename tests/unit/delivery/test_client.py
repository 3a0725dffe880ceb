"""The delivery client against endpoints that behave: what is sent, what comes back, what is kept."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable

import httpx
import pytest

from consumers.delivery.client import (
    BODY_KEPT_BYTES,
    BODY_READ_BYTES,
    HEADERS_KEPT_BYTES,
    DeliveryClient,
    Header,
    classify,
)
from consumers.delivery.outcome import Answered, Failed, FailureKind, Outcome
from tests.hostile.endpoint import Behaviour, Endpoint, Exchange, answers, endpoint, hangs, turns
from tocsin.destinations import Policy
from tocsin.errors import DestinationNotAllowed, UrlInvalid

OPEN = Policy.of(allow_http=True, allow_cidrs=["127.0.0.0/8"])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BODY = b'{"a": "\xc3\xbc", "n": 1.0}'


def run(
    behave: Behaviour, test: Callable[[DeliveryClient, Endpoint], Awaitable[None]], body_s: float = 2.0
) -> None:
    """Run a test with a client and an endpoint."""

    async def both() -> None:
        async with endpoint(behave) as there, DeliveryClient(OPEN, body_s=body_s) as client:
            await test(client, there)

    asyncio.run(both())


async def post(
    client: DeliveryClient,
    url: str,
    headers: tuple[Header, ...] = (),
    body: bytes = BODY,
    timeout_s: float = 5.0,
) -> Outcome:
    """Make one POST."""
    return await client.post(url=url, headers=headers, body=body, timeout_s=timeout_s)


def test_request_is_sent_as_given_and_with_nothing_of_ours() -> None:
    """Exactly these bytes, these headers in this spelling, and what HTTP itself needs."""

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        given = (("Content-Type", "application/json"), ("X-Sig", "t=1,v1=ab"), (b"X-Bytes", b"b"))
        await post(client, there.url("/a%2Fb?c=%7e"), given)
        (request,) = there.requests
        assert request.line == "POST /a%2Fb?c=%7e HTTP/1.1"
        assert request.body == BODY
        assert sorted(request.headers) == sorted(
            [
                ("Host", f"127.0.0.1:{there.port}"),
                ("Content-Type", "application/json"),
                ("X-Sig", "t=1,v1=ab"),
                ("X-Bytes", "b"),
                ("Accept-Encoding", "identity"),
                ("Content-Length", str(len(BODY))),
            ]
        )

    run(answers(OK), test)


@pytest.mark.parametrize("size", [0, 1, 70_000, 2_000_000])
def test_body_of_any_size_arrives_unchanged(size: int) -> None:
    """Empty and larger than every buffer on the way."""
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        assert isinstance(await post(client, there.url(), body=body), Answered)
        assert there.requests[0].body == body
        assert there.requests[0].header("content-length") == str(size)

    run(answers(OK), test)


def test_answer_comes_back_with_status_headers_and_body() -> None:
    """Names in lower case, values as they came."""

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        outcome = await post(client, there.url())
        assert isinstance(outcome, Answered)
        assert (outcome.status, outcome.body, outcome.body_complete) == (418, b"teapot", True)
        assert outcome.headers == (("x-a", "1"), ("x-a", "\xe9"), ("content-length", "6"))
        assert outcome.retry_after is None
        assert 0 <= outcome.duration_s < 5

    run(answers(b"HTTP/1.1 418 T\r\nX-A: 1\r\nx-a: \xe9\r\nContent-Length: 6\r\n\r\nteapot"), test)


def test_connection_is_kept_for_the_next_post() -> None:
    """Ten POSTs, one connection."""

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        for _ in range(10):
            assert isinstance(await post(client, there.url()), Answered)
        assert (len(there.requests), there.connections) == (10, 1)

    run(answers(OK), test)


def test_connection_is_not_kept_when_the_endpoint_closes_it() -> None:
    """`Connection: close` is obeyed."""

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        for _ in range(3):
            assert isinstance(await post(client, there.url()), Answered)
        assert there.connections == 3

    run(answers(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), test)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_an_answer_and_is_never_followed(status: int) -> None:
    """Not even to where it would be allowed."""

    async def behave(exchange: Exchange) -> None:
        target = f"http://127.0.0.1:{exchange.writer.get_extra_info('sockname')[1]}/elsewhere"
        await exchange.send(
            f"HTTP/1.1 {status} R\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
        )

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        outcome = await post(client, there.url())
        assert isinstance(outcome, Answered)
        assert outcome.status == status
        assert len(there.requests) == 1

    run(behave, test)


def test_cookies_are_neither_kept_nor_sent() -> None:
    """An endpoint can't mark us."""

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        await post(client, there.url())
        await post(client, there.url())
        assert [request.header("cookie") for request in there.requests] == [None, None]

    run(answers(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"), test)


def test_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Proxies and .netrc are for people's tools."""
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w") as file:
        file.write("machine 127.0.0.1 login a password b\n")
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", netrc)

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        assert isinstance(await post(client, there.url()), Answered)
        assert there.requests[0].header("authorization") is None

    run(answers(OK), test)


@pytest.mark.parametrize("size", [BODY_KEPT_BYTES, BODY_KEPT_BYTES + 1, BODY_READ_BYTES, 2 * BODY_READ_BYTES])
def test_body_is_kept_up_to_16_kib_and_says_when_it_was_cut(size: int) -> None:
    """More is read, so that the connection can be kept, and thrown away."""

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        outcome = await post(client, there.url())
        assert isinstance(outcome, Answered)
        assert len(outcome.body) == min(size, BODY_KEPT_BYTES)
        assert outcome.body_complete is (size <= BODY_KEPT_BYTES)

    run(answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size), test)


def test_headers_are_kept_up_to_16_kib_and_retry_after_is_found_behind_them() -> None:
    """What is recorded is bounded; what is decided on is not lost by that."""
    many = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 1000) for number in range(40))

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        outcome = await post(client, there.url())
        assert isinstance(outcome, Answered)
        assert sum(len(name) + len(value) for name, value in outcome.headers) <= HEADERS_KEPT_BYTES
        assert outcome.retry_after == "7"

    run(answers(b"HTTP/1.1 429 T\r\n" + many + b"Retry-After: 7\r\nContent-Length: 0\r\n\r\n"), test)


def test_compressed_body_is_kept_as_it_came() -> None:
    """Nothing is inflated."""

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        outcome = await post(client, there.url())
        assert isinstance(outcome, Answered)
        assert outcome.body == b"\x1f\x8bnot gzip"

    run(
        answers(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n\x1f\x8bnot gzip"),
        test,
    )


def test_interim_response_is_waited_past() -> None:
    """103 and then the answer."""

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        outcome = await post(client, there.url())
        assert isinstance(outcome, Answered)
        assert outcome.status == 200

    run(answers(b"HTTP/1.1 103 Early Hints\r\n\r\n", OK), test)


def test_cancelled_post_raises_and_closes_its_connection() -> None:
    """The one thing that is raised: a stop must be able to cut a POST."""

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        task = asyncio.create_task(post(client, there.url()))
        while not there.requests:
            await turns(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(hangs(), test)


@pytest.mark.parametrize("headers", [(("X-A", "b\r\nX-C: d"),), (("X-A", "b\nX-C: d"),), (("X\r\nA", "b"),)])
def test_header_that_would_inject_another_is_never_sent(headers: tuple[Header, ...]) -> None:
    """A failure, and nothing on the wire."""

    async def test(client: DeliveryClient, there: Endpoint) -> None:
        outcome = await post(client, there.url(), headers)
        assert isinstance(outcome, Failed)
        assert there.requests == []

    run(answers(OK), test)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1", "http://127.1/", "ftp://127.0.0.1/", "http://10.0.0.1/", "http://intranet/"]
)
def test_url_is_judged_again_before_a_post(url: str) -> None:
    """A subscription may have been written by hand, or before the policy changed."""

    async def test() -> None:
        async with DeliveryClient(OPEN) as client:
            assert await post(client, url) == Failed("refused_by_policy", "destination_not_allowed", 0.0)

    asyncio.run(test())


def test_connection_refused_is_said_in_words_without_an_address() -> None:
    """A tenant may read it."""

    async def test() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            async with DeliveryClient(OPEN) as client:
                outcome = await post(client, f"http://localhost:{taken.getsockname()[1]}/")
        assert isinstance(outcome, Failed)
        assert (outcome.kind, outcome.error) == ("connect", "connection refused")

    asyncio.run(test())


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), "timeout"),
        (_caused(httpx.ConnectError(""), TimeoutError()), "timeout"),
        (_caused(httpx.ConnectTimeout(""), DestinationNotAllowed("")), "refused_by_policy"),
        (UrlInvalid(""), "refused_by_policy"),
        (_caused(httpx.ConnectError(""), socket.gaierror(socket.EAI_NONAME, "")), "dns"),
        (_caused(httpx.ConnectError(""), ssl.SSLError(1, "")), "tls"),
        (_caused(httpx.ConnectError(""), OSError(errno.ECONNREFUSED, "")), "connect"),
        (_caused(httpx.ConnectError(""), OSError(errno.ETIMEDOUT, "")), "connect"),
        (_caused(httpx.ConnectError(""), OSError("several")), "connect"),
        (_caused(httpx.ReadError(""), ConnectionResetError(errno.ECONNRESET, "")), "reset"),
        (httpx.ReadError(""), "reset"),
        (httpx.RemoteProtocolError(""), "protocol"),
        (_caused(httpx.ConnectError(""), OSError(errno.EMFILE, "")), "local"),
        (RuntimeError("a bug"), "local"),
    ],
)
def test_failure_is_classified_by_its_innermost_known_cause(error: Exception, kind: FailureKind) -> None:
    """Libraries wrap errors in what they are not."""
    assert classify(error)[0] == kind
