"""The addresses of this host's own interfaces: a webhook that leads back to us goes nowhere.

They are read from the interfaces, not from the routing table: an address may be routed here on purpose.
"""

from __future__ import annotations

import ctypes
import socket
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from tocsin.destinations import Address

REFRESH_S: Final = 5.0
"""How old the list may be when a connection is opened: interfaces come and go with containers and VPNs."""

_FAMILY_OFFSET: Final = 1 if sys.platform == "darwin" else 0


class _Entry(ctypes.Structure):
    """`struct ifaddrs` as far as the address, the same in glibc, musl and BSD."""


_Entry._fields_ = [
    ("next", ctypes.POINTER(_Entry)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
]


def own_addresses() -> frozenset[Address]:
    """Return the addresses of all interfaces, as getifaddrs(3) has them.

    Raises:
        OSError: The system call failed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    head = ctypes.POINTER(_Entry)()
    if libc.getifaddrs(ctypes.byref(head)) != 0:
        raise OSError(ctypes.get_errno(), "getifaddrs failed")
    try:
        return frozenset(_addresses(head))
    finally:
        libc.freeifaddrs(head)


def _addresses(entry: ctypes._Pointer[_Entry]) -> Iterator[Address]:
    while entry:
        at: int | None = entry.contents.address
        if at:
            family = _family(at)
            if family == socket.AF_INET:
                yield IPv4Address(ctypes.string_at(at + 4, 4))
            elif family == socket.AF_INET6:
                yield IPv6Address(ctypes.string_at(at + 8, 16))
        entry = entry.contents.next


def _family(at: int) -> int:
    if _FAMILY_OFFSET:
        return ctypes.string_at(at + _FAMILY_OFFSET, 1)[0]
    return int.from_bytes(ctypes.string_at(at, 2), sys.byteorder)


class OwnAddresses:
    """The list of own addresses, read again when it is older than `REFRESH_S`."""

    def __init__(
        self,
        read: Callable[[], frozenset[Address]] = own_addresses,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._clock = read, clock
        self._addresses = read()
        self._read_at = clock()

    def __call__(self) -> frozenset[Address]:
        if self._clock() - self._read_at > REFRESH_S:
            self._addresses, self._read_at = self._read(), self._clock()
        return self._addresses
