"""Looking a name up: absolute, in bounded time, without one slow name server holding up the others."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from tocsin.destinations import Address

TIMEOUT_S: Final = 4.0
HUNG_MAX: Final = 256
"""Lookups under way at once, one thread each. The system's resolver can't be interrupted: a name whose servers are
silent keeps its thread for as long as resolv.conf says, 10 s by default."""

HOSTS_FILE: Final = Path("/etc/hosts")

Resolve = Callable[[str], Sequence[Address]]
"""Returns the addresses of an absolute name (with final dot); blocks; raises `socket.gaierror`."""


class Lookup:
    """Names to addresses. One lookup of a name at a time; callers that want the same name share it."""

    def __init__(
        self, resolve: Resolve | None = None, *, timeout_s: float = TIMEOUT_S, at_once: int = HUNG_MAX
    ) -> None:
        self._resolve = resolve or system_resolve
        self._timeout_s = timeout_s
        self._under_way: dict[str, asyncio.Future[Sequence[Address]]] = {}
        self._slots = asyncio.Semaphore(at_once)

    async def addresses(self, name: str) -> Sequence[Address]:
        """Return all addresses of a name.

        Args:
            name: A name in normal form, without final dot. It is looked up as absolute: no search list applies.

        Raises:
            socket.gaierror: There are none, or no answer came in time.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await self._shared(name)
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer in time") from None
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no addresses")
        return found

    async def _shared(self, name: str) -> Sequence[Address]:
        if (under_way := self._under_way.get(name)) is None:
            await self._slots.acquire()
            if (under_way := self._under_way.get(name)) is not None:
                self._slots.release()
            else:
                under_way = self._start(name)
        return await asyncio.shield(under_way)

    def _start(self, name: str) -> asyncio.Future[Sequence[Address]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Address]] = loop.create_future()
        self._under_way[name] = answer
        answer.add_done_callback(lambda done: self._finish(name, done))
        # Daemon threads: a stop must not wait for a name server.
        threading.Thread(target=self._run, args=(name, answer, loop), name="lookup", daemon=True).start()
        return answer

    def _finish(self, name: str, answer: asyncio.Future[Sequence[Address]]) -> None:
        del self._under_way[name]
        self._slots.release()
        if not answer.cancelled():
            answer.exception()  # Every caller may have given up: the error is nobody's then.

    def _run(
        self, name: str, answer: asyncio.Future[Sequence[Address]], loop: asyncio.AbstractEventLoop
    ) -> None:
        try:
            found, error = self._resolve(f"{name}."), None
        except Exception as raised:
            found, error = (), raised
        try:
            loop.call_soon_threadsafe(_settle, answer, found, error)
        except RuntimeError:
            return  # The loop has closed: nobody waits any more.


def _settle(
    answer: asyncio.Future[Sequence[Address]], found: Sequence[Address], error: Exception | None
) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(found)


def system_resolve(name: str) -> Sequence[Address]:
    """Resolve an absolute name with the system's resolver.

    The hosts file is read here, because the system's own reading of it misses names with a final dot, and it is
    where operators put names that DNS does not have. IPv4 and IPv6 are always both asked for, whatever this host
    can reach: the verdict on a name must not depend on that.
    """
    listed = hosts_file(name.removesuffix("."))
    if listed:
        return listed
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "not a name DNS can carry") from error
    return list(dict.fromkeys(ip_address(answer[4][0]) for answer in answers))


def hosts_file(name: str, path: Path = HOSTS_FILE) -> list[Address]:
    """Return the addresses the hosts file gives for a name."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    entries = [line.partition("#")[0].split() for line in lines]
    texts = [entry[0] for entry in entries if name in map(str.lower, entry[1:])]
    return [address for text in texts if (address := _address(text)) is not None]


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
