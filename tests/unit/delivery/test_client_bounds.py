"""What a connection may bring in, in every way the network may cut it into packets."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.delivery.bounds import BYTES_MAX, HEAD_MAX, INTERIM_MAX, BoundedResponse, ResponseRefused

FAILED = b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


class Wire(asyncio.Transport):
    """The transport below the protocol: remembers only whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Connection:
    """A protocol on a wire, one request sent."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.protocol = BoundedResponse(asyncio.get_running_loop())
        self.protocol.connection_made(self.wire)
        self.request()

    def request(self) -> None:
        self.protocol.set_response_params(read_until_eof=True, auto_decompress=False)

    def receive(self, *packets: bytes) -> None:
        for packet in packets:
            if not self.wire.closed:
                self.protocol.data_received(packet)

    async def status(self) -> int:
        message, _ = await self.protocol.read()
        return message.code

    @property
    def reusable(self) -> bool:
        return self.protocol.is_connected() and not self.protocol.should_close


def _cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


_PLACES = st.lists(st.integers(0, 10_000), max_size=8)


@settings(deadline=None)
@given(st.sampled_from([FAILED, CHUNKED]), st.integers(0, 3), _PLACES)
def test_one_response_is_read_and_its_connection_kept_however_it_is_cut(
    response: bytes, interim: int, places: list[int]
) -> None:
    """Interim responses before it change nothing."""

    async def run() -> None:
        connection = Connection()
        connection.receive(*_cut(INTERIM * interim + response, places))
        assert await connection.status() == 500
        assert len(connection.protocol) == 0
        assert connection.reusable

    asyncio.run(run())


@settings(deadline=None)
@given(
    st.sampled_from([FAILED, CHUNKED]),
    st.sampled_from([OK, OK[:1], OK[:20], OK + OK, b"garbage\r\n\r\n", b"\x00", INTERIM, INTERIM + OK]),
    _PLACES,
)
def test_whatever_follows_a_response_closes_the_connection_and_answers_nothing(
    response: bytes, extra: bytes, places: list[int]
) -> None:
    """The next request never reads a second response, whatever the packets: in the same one, split, or later."""

    async def run() -> None:
        connection = Connection()
        connection.receive(*_cut(response + extra, places))
        assert await connection.status() == 500
        assert len(connection.protocol) == 0
        assert not connection.reusable or _unseen(extra)

    asyncio.run(run())


def _unseen(extra: bytes) -> bool:
    """The parser keeps the start of a message that is not complete; it goes with the parser."""
    return OK.startswith(extra) and extra != OK


@settings(deadline=None)
@given(st.sampled_from([FAILED, CHUNKED]), st.sampled_from([OK, OK[:1], b"\r\n", INTERIM]))
def test_bytes_into_an_idle_connection_close_it(response: bytes, extra: bytes) -> None:
    """Nobody asked."""

    async def run() -> None:
        connection = Connection()
        connection.receive(response)
        assert await connection.status() == 500
        assert connection.reusable
        connection.receive(extra)
        assert not connection.reusable

    asyncio.run(run())


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=40), _PLACES)
def test_status_stands_when_the_chunks_after_it_break(garbage: bytes, places: list[int]) -> None:
    """The head counts even where it came in one packet with the break."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def run() -> None:
        connection = Connection()
        connection.receive(*_cut(head + garbage, places))
        assert await connection.status() == 200

    asyncio.run(run())


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
@pytest.mark.parametrize("piece", [INTERIM, b"X: y\r\n", b"1;" + b"e" * 1000 + b"\r\nx\r\n", b"z" * 4096])
def test_attempt_brings_in_no_more_than_its_budget(head: bytes, piece: bytes) -> None:
    """Bytes of every kind count; the connection is closed no later than the packet that goes over."""

    async def run() -> None:
        connection = Connection()
        connection.receive(head)
        received = 0
        while not connection.wire.closed:
            connection.receive(piece)
            received += len(piece)
            assert received <= BYTES_MAX + len(piece)

    asyncio.run(run())


def test_heads_bring_in_less_than_that() -> None:
    """The parser pays for each header, and an honest answer has few."""

    async def run() -> None:
        connection = Connection()
        connection.receive(b"HTTP/1.1 200 OK\r\n")
        received, header = 0, b"X: " + b"y" * 5000 + b"\r\n"
        while not connection.wire.closed:
            connection.receive(header)
            received += len(header)
            assert received <= HEAD_MAX + len(header)
        with pytest.raises(ResponseRefused):
            await connection.status()

    asyncio.run(run())


def test_head_that_comes_with_its_body_is_counted_alone() -> None:
    """How much comes in one packet is the kernel's business."""

    async def run() -> None:
        connection = Connection()
        connection.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"z" * 100_000)
        assert await connection.status() == 200
        assert not connection.wire.closed

    asyncio.run(run())


def test_budget_is_for_one_attempt_and_begins_again_with_the_next() -> None:
    """A connection may be used for as long as it behaves."""

    async def run() -> None:
        connection = Connection()
        body = b"x" * 1000
        response = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + body
        for _ in range(2 * BYTES_MAX // len(response)):
            connection.receive(response)
            assert await connection.status() == 200
            assert connection.reusable
            connection.request()

    asyncio.run(run())


def test_interim_responses_are_dropped_as_they_come_and_limited_in_number() -> None:
    """They cost no memory, and an endpoint that sends them without end is told apart early."""

    async def run() -> None:
        connection = Connection()
        connection.receive(INTERIM * INTERIM_MAX)
        assert len(connection.protocol) == 0
        assert not connection.wire.closed
        connection.receive(INTERIM)
        assert connection.wire.closed
        with pytest.raises(ResponseRefused):
            await connection.status()

    asyncio.run(run())
