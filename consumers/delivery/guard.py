"""The check at connect: nothing is dialled that the policy refuses, whatever a name resolves to by then.

A name passes three gates. All its answers are judged, and one that is refused refuses the name: an answer that
mixes public and private addresses is an attack or a mistake. Each address is judged again as its socket is made,
which also catches literals, for they are never looked up. And before the first byte of a request, the
peer that the kernel connected is judged.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Collection, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from ssl import SSLContext
from typing import Any, Final, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from consumers.delivery.bounds import BoundedResponse
from consumers.delivery.interfaces import OwnAddresses
from consumers.delivery.lookup import Lookup
from tocsin.destinations import Address, Policy, opened, refusal
from tocsin.errors import DestinationNotAllowed

logger = logging.getLogger(__name__)

DIALLED_MAX: Final = 8
"""Addresses of one name that are tried; all that it has are judged."""

IDLE_S: Final = 4.0
"""How long a connection is kept without use. Common servers close after 5 s, and a POST that meets the closing is a
lost attempt, because it must not be repeated blindly."""

RECEIVE_BUFFER_BYTES: Final = 32 * 1024
"""What the kernel takes of an answer before it is read, twice that with its own books. By default an endpoint that floods
fills megabytes for each connection, in a processor's time that others wait for."""

_LOOPBACK: Final[tuple[Address, ...]] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


class DestinationRefused(DestinationNotAllowed, OSError):
    """The guard refused an address. An OSError too, for that is what a connector expects of a socket."""


class Guard(AbstractResolver):
    """Judges addresses for a connector, as its resolver and its socket factory."""

    def __init__(
        self,
        policy: Policy,
        lookup: Lookup | None = None,
        own: Callable[[], Collection[Address]] | None = None,
    ) -> None:
        self._policy = policy
        self._lookup = lookup or Lookup()
        self._own = own or OwnAddresses()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve a name whose every address may be dialled on `port`.

        Raises:
            DestinationRefused: One of them may not.
            socket.gaierror: It has none.
        """
        try:
            answers = await self._answers(host.removesuffix("."))
        except socket.gaierror:
            if port not in self._policy.ports:
                # Only an address that the operator opened excuses such a port, and there is none.
                raise DestinationRefused(f"port {port} is not allowed") from None
            raise
        for answer in answers:
            self.check(answer, port, host)
        return [_result(host, answer, port) for answer in answers[:DIALLED_MAX]]

    async def _answers(self, host: str) -> Sequence[Address]:
        # RFC 6761, 6.3: localhost is loopback and no question for a name server.
        if host == "localhost" or host.endswith(".localhost"):
            return [address for address in _LOOPBACK if opened(address, self._policy)] or _LOOPBACK
        return await self._lookup.addresses(host)

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Make the socket for one address, or refuse it.

        Raises:
            DestinationRefused: It may not be dialled.
        """
        family, kind, protocol, _, address = info
        self.check(ip_address(address[0]), address[1])
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        return made

    def check_peer(self, transport: asyncio.BaseTransport) -> None:
        """Judge the address a connection really has.

        Raises:
            DestinationRefused: It may not be talked to; the transport is aborted.
        """
        peer = transport.get_extra_info("peername")
        try:
            if not peer:
                raise DestinationRefused("the peer is unknown")
            self.check(ip_address(peer[0]), peer[1])
        except DestinationRefused:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
            raise

    def check(self, address: Address, port: int, host: str = "") -> None:
        """Refuse an address and port that the policy refuses, and tell the operator.

        Raises:
            DestinationRefused: It may not be dialled.
        """
        reason = refusal(address, port, self._policy, self._own())
        if reason is not None:
            logger.warning("destination refused: %s %s port %d: %s", host, address, port, reason)
            raise DestinationRefused(reason)

    async def close(self) -> None:
        """Do nothing: lookups under way end by themselves."""


class GuardedConnector(aiohttp.TCPConnector):
    """aiohttp's connection pool behind a guard, with responses of bounded size."""

    def __init__(self, guard: Guard, *, tls: SSLContext, limit: int = 0, idle_s: float = IDLE_S) -> None:
        super().__init__(
            ssl=tls,
            resolver=guard,
            socket_factory=guard.open_socket,
            use_dns_cache=False,
            limit=limit,
            limit_per_host=0,
            keepalive_timeout=idle_s,
        )
        self._guard = guard
        # Private to aiohttp, and the only way to say which protocol a connection speaks; a test watches over it.
        self._factory = cast("partial[ResponseHandler]", partial(BoundedResponse, loop=self._loop))

    async def _create_connection(self, *args: Any, **kwargs: Any) -> ResponseHandler:
        protocol = await super()._create_connection(*args, **kwargs)
        if protocol.transport is not None:
            self._guard.check_peer(protocol.transport)
        return protocol


def _result(host: str, address: Address, port: int) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return ResolveResult(
        hostname=host, host=str(address), port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
    )
