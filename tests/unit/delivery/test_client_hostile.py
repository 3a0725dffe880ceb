"""The delivery client against endpoints that do harm: bounded time, bounded memory, and never a wrong answer."""

from __future__ import annotations

import asyncio
import socket
import time
import tracemalloc

import pytest

from consumers.delivery.client import DeliveryClient
from consumers.delivery.guard import RECEIVE_BUFFER_BYTES, Guard
from consumers.delivery.outcome import Answered, Failed, Outcome
from tests.hostile.endpoint import Behaviour, Endpoint, Exchange, answers, endpoint, floods, hangs, turns
from tocsin.destinations import Policy

OPEN = Policy.of(allow_http=True, allow_cidrs=["127.0.0.0/8"])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FAILED = b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TIMEOUT_S = 0.25
BODY_S = 0.25
PATIENT_S = 10.0
"""Where an answer is expected: a busy machine must not turn it into a timeout."""

SLACK_S = 3.0


def posts(behave: Behaviour, *timeouts_s: float) -> list[Outcome]:
    """Post once for each timeout, one after the other, over one pool."""

    async def run() -> list[Outcome]:
        async with endpoint(behave) as there, DeliveryClient(OPEN, body_s=BODY_S) as client:
            return [await _post(client, there, b"{}", timeout_s) for timeout_s in timeouts_s]

    return asyncio.run(run())


async def _post(client: DeliveryClient, there: Endpoint, body: bytes, timeout_s: float) -> Outcome:
    outcome = await client.post(url=there.url(), headers=(), body=body, timeout_s=timeout_s)
    await turns(20)
    return outcome


def _kind(outcome: Outcome) -> str:
    return outcome.kind if isinstance(outcome, Failed) else str(outcome.status)


async def _half_a_head(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nX-")
    await exchange.reader.read()


async def _drips(exchange: Exchange) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000:
        exchange.writer.write(bytes([byte]))
        await exchange.writer.drain()
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("behave", [hangs(), _half_a_head, _drips, answers(b"HTTP/1.1 100 Continue\r\n\r\n")])
def test_endpoint_that_never_ends_its_head_is_left_when_the_clock_says_so(behave: Behaviour) -> None:
    """One clock over everything: a byte now and then does not wind it up again."""

    async def then_hangs(exchange: Exchange) -> None:
        await behave(exchange)
        await exchange.reader.read()

    started = time.monotonic()
    (outcome,) = posts(then_hangs, TIMEOUT_S)
    assert _kind(outcome) == "timeout"
    assert TIMEOUT_S <= time.monotonic() - started < TIMEOUT_S + SLACK_S


def test_endpoint_that_does_not_read_the_request_is_left_when_the_clock_says_so() -> None:
    """Writing counts too: the body does not fit into the buffers on the way."""

    async def run() -> Outcome:
        done = asyncio.Event()

        async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            await done.wait()
            writer.transport.abort()

        server = await asyncio.start_server(stall, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with DeliveryClient(OPEN) as client:
            outcome = await client.post(url=url, headers=(), body=b"x" * 20_000_000, timeout_s=TIMEOUT_S)
        done.set()
        server.close()
        await turns(10)
        return outcome

    assert _kind(asyncio.run(run())) == "timeout"


def test_answer_before_the_request_was_read_counts_and_its_connection_is_not_used_again() -> None:
    """The rest of the old body must not become the start of the next request."""

    async def run() -> tuple[list[Outcome], int]:
        connections = 0

        async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await reader.readuntil(b"\r\n\r\n")
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(OK)
            await writer.drain()
            await done.wait()
            writer.transport.abort()

        done = asyncio.Event()
        server = await asyncio.start_server(early, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with DeliveryClient(OPEN) as client:
            outcomes = [
                await client.post(url=url, headers=(), body=b"x" * 20_000_000, timeout_s=5) for _ in range(2)
            ]
        done.set()
        server.close()
        await turns(10)
        return outcomes, connections

    outcomes, connections = asyncio.run(run())
    assert [_kind(outcome) for outcome in outcomes] == ["200", "200"]
    assert connections == 2


async def _body_stalls(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123")
    await exchange.reader.read()


async def _body_drips(exchange: Exchange) -> None:
    exchange.writer.write(CHUNKED)
    while True:
        exchange.writer.write(b"1\r\nx\r\n")
        await exchange.writer.drain()
        await asyncio.sleep(0.005)


async def _body_is_reset(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123")
    exchange.reset()


async def _body_is_short(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123")
    exchange.writer.close()


@pytest.mark.parametrize(
    "behave",
    [
        _body_stalls,
        _body_drips,
        _body_is_reset,
        _body_is_short,
        answers(CHUNKED + b"zz\r\n"),
        answers(CHUNKED, b"zz\r\n"),
        answers(CHUNKED + b"3\r\nabcdef\r\n"),
        answers(CHUNKED + b"ffffffffffffffffff\r\n"),
        answers(CHUNKED + b"-1\r\n"),
        answers(CHUNKED + b"0\r\nX" + b"y" * 20_000 + b"\r\n\r\n"),
        floods(CHUNKED, b"1;" + b"e" * 4096 + b"\r\nx\r\n"),
        floods(CHUNKED + b"0\r\n", b"X: y\r\n" * 100),
        floods(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536),
        floods(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", b"x" * 65_536),
    ],
)
def test_2xx_is_a_success_however_its_body_breaks(behave: Behaviour) -> None:
    """The status decides; the body is given up in bounded time."""
    started = time.monotonic()
    (outcome,) = posts(behave, PATIENT_S)
    assert isinstance(outcome, Answered)
    assert (outcome.status, outcome.body_complete) == (200, False)
    assert time.monotonic() - started < BODY_S + SLACK_S


@pytest.mark.parametrize("packets", [(CHUNKED + b"zz\r\n",), (CHUNKED, b"zz\r\n")])
def test_body_that_breaks_is_given_up_at_once(packets: tuple[bytes, ...]) -> None:
    """Nobody waits for more of it until the clock says so."""

    async def stays(exchange: Exchange) -> None:
        await exchange.send(*packets)
        await exchange.reader.read()

    async def run() -> float:
        async with endpoint(stays) as there, DeliveryClient(OPEN, body_s=PATIENT_S) as client:
            outcome = await _post(client, there, b"{}", PATIENT_S)
            assert isinstance(outcome, Answered)
            return outcome.duration_s

    assert asyncio.run(run()) < SLACK_S


def test_body_has_a_clock_of_its_own() -> None:
    """Time that the head left over is not the body's."""
    (outcome,) = posts(_body_stalls, PATIENT_S)
    assert isinstance(outcome, Answered)
    assert outcome.body == b"123"
    assert BODY_S <= outcome.duration_s < BODY_S + SLACK_S


@pytest.mark.parametrize(("size", "connections"), [(64 * 1024, 1), (200 * 1024, 2)])
def test_body_is_read_up_to_64_kib_and_the_connection_closed_above(size: int, connections: int) -> None:
    """What is read to its end leaves a connection that can be used again."""

    async def run() -> int:
        behave = answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        async with endpoint(behave) as there, DeliveryClient(OPEN) as client:
            for _ in range(2):
                assert isinstance(await _post(client, there, b"{}", PATIENT_S), Answered)
            return there.connections

    assert asyncio.run(run()) == connections


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\ngarbage",
    ],
)
def test_success_with_a_body_that_should_not_be_there_is_a_success(response: bytes) -> None:
    """And the next POST is not confused by it."""
    outcomes = posts(answers(response), PATIENT_S, PATIENT_S, PATIENT_S)
    assert {_kind(outcome) for outcome in outcomes} <= {"204", "200"}


@pytest.mark.parametrize(
    "behave",
    [
        answers(b"garbage\r\n\r\n"),
        answers(b"\x00\x01\x02\x03" * 100),
        answers(b"SSH-2.0-OpenSSH_9.6\r\n"),
        answers(b"220 mail ESMTP\r\n"),
        answers(b"HTTP/2.0 200 OK\r\n\r\n"),
        answers(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        answers(b"HTTP/1.1 abc OK\r\n\r\n"),
        answers(b"HTTP/1.1 2000 OK\r\n\r\n"),
        answers(b"HTTP/1.1 -200 OK\r\n\r\n"),
        answers(b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n"),
        answers(b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
        answers(b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n"),
        answers(b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n"),
        answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
        answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
        answers(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok"),
        answers(b"HTTP/1.1 200 OK\r\nX y z\r\n\r\n"),
        answers(b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n"),
        answers(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n"),
        answers(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"Content-Length: 0\r\n\r\n"),
        answers(b"HTTP/1.1 200 " + b"O" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n"),
        floods(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
        floods(b"HTTP/1.1 102 Processing\r\n", b"X: y\r\n" * 100),
        floods(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100),
        floods(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 4096),
        floods(b"", b"\r\n" * 1000),
        floods(b"", b"\x00" * 4096),
    ],
)
def test_answer_that_is_not_http_or_has_no_end_is_a_failure(behave: Behaviour) -> None:
    """Bounded in time well below the clock of a real attempt."""

    async def then_closes(exchange: Exchange) -> None:
        await behave(exchange)
        exchange.writer.close()

    started = time.monotonic()
    (outcome,) = posts(then_closes, PATIENT_S)
    assert isinstance(outcome, Failed)
    assert outcome.kind in {"protocol", "reset"}
    assert time.monotonic() - started < SLACK_S


async def _closes(exchange: Exchange) -> None:
    exchange.writer.close()


async def _resets(exchange: Exchange) -> None:
    exchange.reset()


async def _breaks_off_in_its_head(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    exchange.reset()


@pytest.mark.parametrize("behave", [_closes, _resets, _breaks_off_in_its_head])
def test_connection_that_ends_without_an_answer_is_a_failure_and_the_post_is_not_repeated(
    behave: Behaviour,
) -> None:
    """Whether the endpoint acted on it is unknown: repeating it is the schedule's decision."""

    async def run() -> tuple[Outcome, int]:
        async with endpoint(behave) as there, DeliveryClient(OPEN) as client:
            return await _post(client, there, b"{}", PATIENT_S), len(there.requests)

    outcome, requests = asyncio.run(run())
    assert _kind(outcome) == "reset"
    assert requests == 1


def _second_response(first: bytes, *later: bytes) -> Behaviour:
    """Return the behaviour that answers the first request with too much, and then never anything."""

    async def behave(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.send(first, *later)
        else:
            await exchange.reader.read()

    return behave


@pytest.mark.parametrize(
    "behave",
    [
        _second_response(FAILED + OK),
        _second_response(FAILED, OK),
        _second_response(FAILED[:-2], FAILED[-2:] + OK),
        _second_response(FAILED[:-1], FAILED[-1:] + OK),
        _second_response(FAILED + OK * 5),
        _second_response(b"HTTP/1.1 204 No Content\r\n\r\n" + OK),
        _second_response(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + OK),
        _second_response(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n" + OK),
        _second_response(b"HTTP/1.1 100 Continue\r\n\r\n" + FAILED + OK),
        _second_response(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n" + OK),
    ],
)
def test_second_response_never_answers_the_next_post(behave: Behaviour) -> None:
    """It would be a delivery that never happened: here the second request is never answered at all."""
    first, second = posts(behave, PATIENT_S, TIMEOUT_S)
    assert _kind(first) in {"500", "204", "304"}
    assert _kind(second) == "timeout"


@pytest.mark.parametrize(
    "behave",
    [
        floods(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 2000),
        floods(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65_536),
        floods(CHUNKED, b"1;" + b"e" * 65_536 + b"\r\nx\r\n"),
        floods(CHUNKED + b"0\r\n", b"X: y\r\n" * 10_000),
        floods(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536),
        floods(b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\n\r\n", b"\x00" * 65_536),
    ],
)
def test_flood_costs_no_memory(behave: Behaviour) -> None:
    """Eight at once stay within a few times their budget, both ends of the connections counted."""

    async def run() -> int:
        async with endpoint(behave) as there, DeliveryClient(OPEN, body_s=BODY_S) as client:
            await _post(client, there, b"{}", PATIENT_S)
            tracemalloc.start()
            await asyncio.gather(*(_post(client, there, b"{}", PATIENT_S) for _ in range(8)))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return peak

    assert asyncio.run(run()) < 16 * 1024 * 1024


def test_kernel_takes_little_of_an_answer_before_it_is_read() -> None:
    """A connection's buffer grows to megabytes otherwise, which a flood fills before the loop has its next turn."""
    info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
    with Guard(OPEN).open_socket(info) as made:
        # Linux doubles what is asked for, for its own books.
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * RECEIVE_BUFFER_BYTES


def test_hanging_endpoint_holds_up_no_other() -> None:
    """Two hundred hang, and the others' answers are there before the first of those times out."""

    async def run() -> float:
        async with (
            endpoint(hangs()) as silent,
            endpoint(answers(OK)) as well,
            DeliveryClient(OPEN) as client,
        ):
            hanging = [asyncio.create_task(_post(client, silent, b"{}", PATIENT_S)) for _ in range(200)]
            await turns(50)
            started = time.monotonic()
            outcomes = [await _post(client, well, b"{}", PATIENT_S) for _ in range(50)]
            took = time.monotonic() - started
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
            assert {_kind(outcome) for outcome in outcomes} == {"200"}
            return took

    assert asyncio.run(run()) < PATIENT_S
