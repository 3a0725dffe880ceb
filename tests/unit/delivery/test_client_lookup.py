"""Looking names up: absolute, in bounded time, one thread a name."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest

from consumers.delivery.lookup import Lookup, hosts_file, system_resolve
from tocsin.destinations import Address


class Gate:
    """A resolver that answers when it is let."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.calls: list[str] = []

    def __call__(self, name: str) -> Sequence[Address]:
        self.calls.append(name)
        self.open.wait(10)
        return [ip_address("8.8.8.8")]


def test_lookup_gives_up_when_no_answer_comes_in_time() -> None:
    """A silent name server costs one attempt its time, no more."""
    gate = Gate()

    async def run() -> None:
        with pytest.raises(socket.gaierror):
            await Lookup(gate, timeout_s=0.05).addresses("slow.example")
        gate.open.set()

    asyncio.run(run())


def test_callers_of_one_name_share_a_lookup_and_one_that_gives_up_does_not_end_it() -> None:
    """A hundred POSTs to a slow name take one thread."""
    gate = Gate()

    async def run() -> list[Sequence[Address]]:
        lookup = Lookup(gate, timeout_s=5)
        waiting = [asyncio.create_task(lookup.addresses("slow.example")) for _ in range(100)]
        await asyncio.sleep(0)
        waiting.pop().cancel()
        gate.open.set()
        return await asyncio.gather(*waiting)

    found = asyncio.run(run())
    assert found == [[ip_address("8.8.8.8")]] * 99
    assert gate.calls == ["slow.example."]


def test_slow_name_holds_up_no_other() -> None:
    """Each name has a thread of its own."""
    gate = Gate()

    def resolve(name: str) -> Sequence[Address]:
        return gate(name) if name.startswith("slow") else [ip_address("1.1.1.1")]

    async def run() -> Sequence[Address]:
        lookup = Lookup(resolve, timeout_s=5)
        slow = [asyncio.create_task(lookup.addresses(f"slow{number}.example")) for number in range(50)]
        await asyncio.sleep(0)
        found = await lookup.addresses("quick.example")
        gate.open.set()
        await asyncio.gather(*slow)
        return found

    assert asyncio.run(run()) == [ip_address("1.1.1.1")]


def test_lookups_beyond_the_limit_wait_and_give_their_place_back() -> None:
    """Callers that waited for a place and then found the name under way keep none."""
    gate = Gate()

    async def run() -> Sequence[Address]:
        lookup = Lookup(gate, timeout_s=5, at_once=1)
        waiting = [asyncio.create_task(lookup.addresses(f"{name}.example")) for name in "abbbcc"]
        await asyncio.sleep(0)
        assert len(gate.calls) <= 1
        gate.open.set()
        await asyncio.gather(*waiting)
        return await lookup.addresses("d.example")

    assert asyncio.run(run()) == [ip_address("8.8.8.8")]
    assert gate.calls[0] == "a.example."
    assert gate.calls[-1] == "d.example."


def test_answer_is_not_remembered() -> None:
    """Every connection asks anew."""
    gate = Gate()
    gate.open.set()

    async def run() -> None:
        lookup = Lookup(gate)
        await lookup.addresses("a.example")
        await lookup.addresses("a.example")

    asyncio.run(run())
    assert gate.calls == ["a.example.", "a.example."]


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, ""), None])
def test_name_without_addresses_is_an_error(error: socket.gaierror | None) -> None:
    """An empty answer is none."""

    def resolve(name: str) -> Sequence[Address]:
        if error is not None:
            raise error
        return []

    async def run() -> None:
        with pytest.raises(socket.gaierror):
            await Lookup(resolve).addresses("a.example")

    asyncio.run(run())


def test_hosts_file_is_read_by_exact_name(tmp_path: Path) -> None:
    """Aliases, comments, both families, upper case; nothing of a missing file."""
    path = tmp_path / "hosts"
    path.write_text(
        "# 9.9.9.9 a.example\n10.0.0.1 a.example A2.example # b.example\n\n::1\ta.example\n10.0.0.2 x.a.example\n"
    )
    assert hosts_file("a.example", path) == [ip_address("10.0.0.1"), ip_address("::1")]
    assert hosts_file("a2.example", path) == [ip_address("10.0.0.1")]
    assert hosts_file("b.example", path) == []
    assert hosts_file("a.example", tmp_path / "none") == []


def test_hosts_file_line_that_is_malformed_is_passed_over(tmp_path: Path) -> None:
    """As the system's own reading does."""
    path = tmp_path / "hosts"
    path.write_text("nonsense a.example\n10.0.0.1 a.example\n")
    assert hosts_file("a.example", path) == [ip_address("10.0.0.1")]


def test_system_resolver_is_asked_for_both_families_of_an_absolute_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The verdict on a name must not depend on what this host can reach."""
    asked: list[tuple[object, ...]] = []

    def getaddrinfo(host: str, port: object, **options: object) -> list[tuple[object, ...]]:
        asked.append((host, options.get("family", 0), options.get("flags", 0)))
        return [(0, 0, 0, "", ("8.8.8.8", 0)), (0, 0, 0, "", ("::1", 0, 0, 0)), (0, 0, 0, "", ("8.8.8.8", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert system_resolve("a.example.") == [ip_address("8.8.8.8"), ip_address("::1")]
    assert asked == [("a.example.", 0, 0)]
