"""What the server bears from callers that take their time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from starlette.responses import Response

from tocsin.http import server
from tocsin.http.server import listen, serve
from tocsin.lifecycle import Stop

HEAD_MAX_S = 0.3
KEEP_ALIVE_S = 5
"""After that uvicorn closes what is idle, which a begun head is not."""
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Connect = Callable[[], socket.socket]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Serve, and yield what opens a connection."""
    monkeypatch.setattr(server, "HEAD_MAX_S", HEAD_MAX_S)
    stop, listening = Stop(5.0), listen("127.0.0.1", 0, "TEST_PORT")
    thread = threading.Thread(
        target=serve, args=(Response("well", 200), listening, stop, 5.0, lambda: None), daemon=True
    )
    thread.start()
    opened: list[socket.socket] = []

    def open_() -> socket.socket:
        opened.append(socket.create_connection(listening.getsockname(), timeout=10.0))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()
    stop.ask()
    thread.join(10.0)
    assert not thread.is_alive()


def answered(connection: socket.socket) -> bool:
    """Return whether an answer comes, before the connection is closed."""
    received = b""
    while b"well" not in received:
        piece = connection.recv(4096)
        if not piece:
            return False
        received += piece
    return True


@pytest.mark.parametrize("sent", [b"", b"GET / HT", REQUEST[:-2]])
def test_head_that_never_ends_is_given_up(connect: Connect, sent: bytes) -> None:
    connection = connect()
    connection.sendall(sent)
    assert not answered(connection)


def test_head_that_drips_is_given_up_too(connect: Connect) -> None:
    """Each byte comes in time; the head does not."""
    connection, given_up = connect(), threading.Event()

    def drip() -> None:
        for byte in REQUEST:
            if given_up.wait(HEAD_MAX_S / 4):
                return
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        assert not answered(connection)
    except ConnectionResetError:
        pass
    finally:
        given_up.set()
        dripping.join()


def test_later_head_on_a_kept_connection_has_the_same_limit(connect: Connect) -> None:
    connection = connect()
    for _ in range(2):
        connection.sendall(REQUEST)
        assert answered(connection)
    connection.sendall(REQUEST[:10])
    connection.settimeout(KEEP_ALIVE_S - 1)
    assert not answered(connection)
