"""The probes' port: what it answers, and that nobody can hold it up."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from tocsin.errors import ConfigurationError
from tocsin.telemetry import probes
from tocsin.telemetry.probes import Probes
from tocsin.telemetry.program import Telemetry


class Writes:
    outstanding = 0
    ended = 0


class Reads:
    joined = leads = True
    parts = ("p",)

    def unfinished(self) -> int:
        return 7

    def fills(self) -> dict[str, float]:
        return {"tocsin.deliveries": 0.25}


class World:
    """A program whose clock stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.writes, self.reads = Writes(), Reads()
        self.telemetry = Telemetry("router", clock_s=lambda: self.now_s)
        self.telemetry.watch_writes(self.writes)
        self.telemetry.watch_reads(self.reads)
        self.telemetry.answer_probes("127.0.0.1:0")
        assert self.telemetry.probes_url is not None
        self.url = self.telemetry.probes_url

    def get(self, path: str, method: str = "GET") -> httpx.Response:
        return httpx.request(method, self.url + path, trust_env=False)

    def reasons(self) -> list[str]:
        answer = self.get("/readyz")
        assert (answer.status_code == 200) == ("reasons" not in answer.json())
        found: list[str] = answer.json().get("reasons", [])
        return found

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), timeout=5)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with made.telemetry:
        yield made


def test_program_lives_at_once_and_is_ready_once_it_has_started(world: World) -> None:
    assert world.get("/livez").status_code == 200
    assert world.reasons() == ["it is starting"]
    world.telemetry.start()
    assert world.reasons() == []


def test_program_is_not_ready_while_its_loop_or_kafka_or_its_group_stands_still(world: World) -> None:
    world.telemetry.start()
    assert world.reasons() == []
    world.writes.outstanding, world.writes.ended = 3, 4
    assert world.reasons() == []
    world.now_s += 11
    assert [reason.split(" for ")[0] for reason in world.reasons()] == [
        "its loop has not come round",
        "Kafka has acknowledged nothing of what was written",
    ]
    world.telemetry.pulse.tick(world.now_s)
    world.writes.ended = 5
    assert world.reasons() == []
    world.reads.leads = False
    assert len(world.reasons()) == 1


def test_metrics_are_told_in_prometheus_format(world: World) -> None:
    answer = world.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'tocsin_ready{program="router"} 0.0' in lines
    assert 'tocsin_consumer_unfinished{program="router"} 7.0' in lines
    assert 'tocsin_consumer_window_fill_ratio{program="router",topic="tocsin.deliveries"} 0.25' in lines


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/livez", 405), ("GET", "/", 404), ("GET", "/livez/x?y=1", 404), ("HEAD", "/livez?x=1", 200)],
)
def test_nothing_else_is_answered(world: World, method: str, path: str, status: int) -> None:
    assert world.get(path, method).status_code == status


def test_connections_that_are_held_open_hold_up_nobody_and_the_oldest_are_given_up(world: World) -> None:
    held = [world.connect() for _ in range(probes.OPEN_MAX + 8)]
    for each in held:
        each.send(b"GET /livez HTTP/1.1\r\n")
    assert world.get("/livez").status_code == 200
    held[0].settimeout(probes.REQUEST_MAX_S / 2)
    with suppress(ConnectionError):
        assert held[0].recv(1) == b""
    for each in held:
        each.close()


@pytest.mark.parametrize("sent", [b"\r\n\r\n", b"x" * 40_000, b"\x00\xff\r\n\r\n", b"GET\r\n\r\n"])
def test_nonsense_is_refused_and_the_next_one_is_answered(world: World, sent: bytes) -> None:
    with world.connect() as connection:
        connection.sendall(sent)
        connection.settimeout(5)
        with suppress(ConnectionError):
            assert connection.recv(4_096).split(b" ")[1:2] != [b"200"]
    assert world.get("/livez").status_code == 200


def test_request_that_never_ends_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "REQUEST_MAX_S", 0.05)
    with world.connect() as connection:
        connection.send(b"GET /livez")
        began_s = time.monotonic()
        with suppress(ConnectionError):
            assert connection.recv(1) == b""
    assert time.monotonic() - began_s < 4


def test_what_fails_while_it_is_asked_is_no_success() -> None:
    def broken() -> probes.Answer:
        raise RuntimeError("gone")

    made = Probes(probes.listen("127.0.0.1:0"), {"/readyz": broken})
    assert httpx.get(f"{made.url}/readyz", trust_env=False).status_code == 500
    made.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{made.url}/readyz", trust_env=False)


@pytest.mark.parametrize("address", ["", "9464", ":9464", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"])
def test_address_that_is_none_is_refused_by_name(address: str) -> None:
    with pytest.raises(ConfigurationError, match="TOCSIN_PROBES"):
        probes.listen(address)


def test_address_that_is_taken_is_refused_by_name(world: World) -> None:
    with pytest.raises(ConfigurationError, match="cannot listen"):
        probes.listen(world.url.removeprefix("http://"))


def test_reasons_are_words_in_json(world: World) -> None:
    assert json.loads(world.get("/readyz").text) == {"status": "not ready", "reasons": ["it is starting"]}
