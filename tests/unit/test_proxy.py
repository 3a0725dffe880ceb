"""The tests' own network does what it says: otherwise nothing that is tested behind it is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.harness.proxy import HOST, Proxy


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy before a server that sends back what it gets."""
    with socket.create_server((HOST, 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        with Proxy(server.getsockname()[1]) as made:
            yield made


def _echo(server: socket.socket) -> None:
    def serve(one: socket.socket) -> None:
        with one:
            while data := _received(one):
                one.sendall(data)

    while True:
        try:
            one, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(one,), daemon=True).start()


def _received(one: socket.socket) -> bytes:
    try:
        return one.recv(100)
    except OSError:
        return b""


def dial(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=5.0)


def test_sound_network_forwards_both_ways(proxy: Proxy) -> None:
    with dial(proxy) as one:
        one.sendall(b"there")
        assert one.recv(100) == b"there"


def test_cut_network_resets_and_refuses_until_it_is_healed(proxy: Proxy) -> None:
    with dial(proxy) as one:
        one.sendall(b"there")
        assert one.recv(100) == b"there"
        proxy.cut()
        assert _received(one) == b""
        with pytest.raises(ConnectionRefusedError):
            dial(proxy)
        proxy.heal()
    test_sound_network_forwards_both_ways(proxy)


def test_half_open_network_accepts_and_answers_nothing_and_resets_when_healed(proxy: Proxy) -> None:
    with dial(proxy) as old:
        old.sendall(b"before")
        assert old.recv(100) == b"before"
        proxy.swallow()
        with dial(proxy) as new:
            for one in (old, new):
                one.settimeout(0.2)
                one.sendall(b"lost")
                with pytest.raises(TimeoutError):
                    one.recv(100)
        old.settimeout(5.0)
        proxy.heal()
        assert _received(old) == b""
    test_sound_network_forwards_both_ways(proxy)


def test_slow_network_takes_its_time_each_way_and_keeps_the_order(proxy: Proxy) -> None:
    with dial(proxy) as one:
        proxy.delay_s = 0.1
        begun_s = time.monotonic()
        for word in (b"one ", b"two ", b"three"):
            one.sendall(word)
        got = b""
        while len(got) < 13:
            got += one.recv(100)
        assert got == b"one two three"
        assert time.monotonic() - begun_s >= 0.2
