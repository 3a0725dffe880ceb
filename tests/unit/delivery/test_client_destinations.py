"""Nothing is dialled that policy refuses: names with mixed and changing answers, literals, own addresses, peers."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from consumers.delivery.client import DeliveryClient
from consumers.delivery.guard import DIALLED_MAX, DestinationRefused, Guard
from consumers.delivery.lookup import Lookup
from consumers.delivery.outcome import Answered, Failed, Outcome
from tests.hostile.endpoint import answers, endpoint
from tocsin.destinations import Address, Policy

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSES = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
STRICT = Policy(allow_http=True)
ONE_OPEN = Policy.of(allow_http=True, allow_cidrs=["127.0.0.1/32"])
BLOCKED = Failed("refused_by_policy", "destination_not_allowed", 0.0)

_dialled: list[tuple[Any, ...]] | None = None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _dialled is not None and event == "socket.connect":
        _dialled.append(arguments[1])


sys.addaudithook(_audit)


@contextmanager
def dialled() -> Iterator[list[tuple[Any, ...]]]:
    """Collect the address of every connect that Python makes, below everybody's code."""
    global _dialled
    _dialled = []
    try:
        yield _dialled
    finally:
        _dialled = None


class Dns:
    """A name server whose answers may change from question to question."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, name: str) -> Sequence[Address]:
        self.asked.append(name)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [ip_address(text) for text in answer]


def _nothing() -> frozenset[Address]:
    return frozenset()


def _guard(policy: Policy, dns: Callable[[str], Sequence[Address]], own: Sequence[str] = ()) -> Guard:
    return Guard(policy, Lookup(dns), lambda: frozenset(map(ip_address, own)))


async def _post(client: DeliveryClient, url: str) -> Outcome:
    return await client.post(url=url, headers=(), body=b"{}", timeout_s=5)


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["fe80::1%1"],
        ["8.8.8.8", "10.0.0.1"],
        ["10.0.0.1", "8.8.8.8"],
        ["8.8.8.8", "::1"],
        ["2606:4700:4700::1111", "127.0.0.1"],
        [*(f"8.8.8.{last}" for last in range(100)), "127.0.0.1"],
    ],
)
def test_name_with_one_refused_answer_is_blocked_and_nothing_is_dialled(answer: list[str]) -> None:
    """Mixed answers are an attack or a mistake: not even the good ones are used."""

    async def run() -> Outcome:
        async with DeliveryClient(STRICT, guard=_guard(STRICT, Dns(answer))) as client:
            return await _post(client, "https://hooks.example.com/")

    with dialled() as addresses:
        assert asyncio.run(run()) == BLOCKED
    assert addresses == []


def test_name_is_looked_up_as_absolute_and_only_checked_addresses_are_dialled() -> None:
    """No search list applies, and the address that was judged is the one that is connected."""
    dns = Dns(["127.0.0.1"], ["10.0.0.1"])

    async def run() -> Outcome:
        async with (
            endpoint(answers(OK)) as there,
            DeliveryClient(ONE_OPEN, guard=_guard(ONE_OPEN, dns)) as client,
        ):
            outcome = await _post(client, f"http://hooks.example.com:{there.port}/")
            assert there.requests[0].header("host") == f"hooks.example.com:{there.port}"
            return outcome

    with dialled() as addresses:
        assert isinstance(asyncio.run(run()), Answered)
    assert dns.asked == ["hooks.example.com."]
    assert {address[0] for address in addresses} == {"127.0.0.1"}


def test_answer_that_changes_between_two_connections_is_judged_again() -> None:
    """DNS rebinding: good when the subscription was written and at the first POST, bad at the second."""
    dns = Dns(["127.0.0.1"], ["127.0.0.2"])

    async def run() -> list[Outcome]:
        async with (
            endpoint(answers(CLOSES)) as there,
            DeliveryClient(ONE_OPEN, guard=_guard(ONE_OPEN, dns)) as client,
        ):
            return [await _post(client, f"http://hooks.example.com:{there.port}/") for _ in range(2)]

    with dialled() as addresses:
        first, second = asyncio.run(run())
    assert isinstance(first, Answered)
    assert second == BLOCKED
    assert "127.0.0.2" not in {address[0] for address in addresses}


def test_odd_port_of_a_name_is_blocked_unless_its_answers_are_opened() -> None:
    """Opening loopback does not open port 22 of the internet, whether the name resolves or not."""

    def unknown(name: str) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async def run(dns: Callable[[str], Sequence[Address]], url: str) -> Outcome:
        async with DeliveryClient(ONE_OPEN, guard=_guard(ONE_OPEN, dns)) as client:
            return await _post(client, url)

    with dialled() as addresses:
        assert asyncio.run(run(Dns(["8.8.8.8"]), "https://hooks.example.com:22/")) == BLOCKED
        assert asyncio.run(run(unknown, "https://hooks.example.com:22/")) == BLOCKED
        unresolved = asyncio.run(run(unknown, "https://hooks.example.com/"))
    assert isinstance(unresolved, Failed)
    assert unresolved.kind == "dns"
    assert addresses == []


def test_literal_is_judged_at_connect_although_it_is_never_looked_up() -> None:
    """The socket factory sees every final address."""
    guard = _guard(STRICT, Dns(["8.8.8.8"]))

    async def run() -> Outcome:
        # The client's own policy lets the literal through, so that only the guard stands in the way.
        async with endpoint(answers(OK)) as there, DeliveryClient(ONE_OPEN, guard=guard) as client:
            outcome = await _post(client, there.url())
            assert there.connections == 0
            return outcome

    with dialled() as addresses:
        assert asyncio.run(run()) == BLOCKED
    assert addresses == []


def test_own_address_is_blocked() -> None:
    """Even a public one: a webhook does not come back to the host that sends it."""
    guard = _guard(STRICT, Dns(["8.8.8.8"]), own=["8.8.8.8"])

    async def run() -> Outcome:
        async with DeliveryClient(STRICT, guard=guard) as client:
            return await _post(client, "https://hooks.example.com/")

    with dialled() as addresses:
        assert asyncio.run(run()) == BLOCKED
    assert addresses == []


class Peer(asyncio.Transport):
    """A connected transport with a peer of our choice."""

    def __init__(self, peer: tuple[Any, ...] | None) -> None:
        super().__init__({"peername": peer})
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize("peer", [("10.0.0.1", 443), ("8.8.8.8", 22), ("::1", 443, 0, 0), None])
def test_peer_that_the_kernel_connected_elsewhere_is_hung_up_on(peer: tuple[Any, ...] | None) -> None:
    """Packet rewriting between us and the network is no way around the policy."""

    async def run() -> bool:
        transport = Peer(peer)
        with pytest.raises(DestinationRefused):
            Guard(STRICT, Lookup(Dns(["8.8.8.8"])), _nothing).check_peer(transport)
        return transport.aborted

    assert asyncio.run(run())


def test_peer_is_judged_before_a_byte_is_sent() -> None:
    """A connector that connected elsewhere: nothing of the request arrives."""

    class Rewritten(Guard):
        def check(self, address: Address, port: int, host: str = "") -> None:
            self.checks = getattr(self, "checks", 0) + 1
            if self.checks > 1:
                raise DestinationRefused("rewritten")

    async def run() -> tuple[Outcome, int]:
        guard = Rewritten(ONE_OPEN, Lookup(Dns(["127.0.0.1"])), _nothing)
        async with endpoint(answers(OK)) as there, DeliveryClient(ONE_OPEN, guard=guard) as client:
            return await _post(client, there.url()), len(there.requests)

    assert asyncio.run(run()) == (BLOCKED, 0)


def test_addresses_of_one_name_are_dialled_up_to_a_limit() -> None:
    """All are judged, a few are tried."""

    async def run() -> int:
        guard = _guard(STRICT, Dns([f"8.8.8.{last}" for last in range(1, 200)]))
        return len(await guard.resolve("hooks.example.com", 443))

    assert asyncio.run(run()) == DIALLED_MAX


@pytest.mark.parametrize("name", ["localhost", "tork.localhost"])
def test_localhost_is_loopback_without_a_question_to_anybody(name: str) -> None:
    """Only as far as loopback is opened, and refused when none of it is."""
    dns = Dns(["8.8.8.8"])

    async def run(policy: Policy) -> list[str]:
        return [found["host"] for found in await _guard(policy, dns).resolve(name, 8080)]

    assert asyncio.run(run(ONE_OPEN)) == ["127.0.0.1"]
    assert asyncio.run(run(Policy.of(allow_cidrs=["127.0.0.0/8", "::1/128"]))) == ["127.0.0.1", "::1"]
    with pytest.raises(DestinationRefused):
        asyncio.run(run(STRICT))
    assert dns.asked == []
