"""A network namespace in which every address of IPv4 and IPv6 is this host's own.

Whatever is dialled there is connected, so that an address that was not dialled shows. Linux only, as the programs are;
without root it needs user namespaces.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from typing import Final

_CLONE_NEWUSER: Final = 0x1000_0000
_CLONE_NEWNET: Final = 0x4000_0000
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1

_NETLINK_ROUTE: Final = 0
_RTM_NEWROUTE: Final = 24
_REQUEST_CREATE_ACK: Final = 0x1 | 0x400 | 0x4
_TABLE_LOCAL: Final = 255
_PROTOCOL_STATIC: Final = 4
_SCOPE_HOST: Final = 254
_TYPE_LOCAL: Final = 2
_RTA_OIF: Final = 4
_LOOPBACK_INDEX: Final = 1
_NLMSG_ERROR: Final = 2


def enter() -> None:
    """Move this process into such a namespace, before it starts a thread.

    Raises:
        OSError: The kernel does not allow it.
    """
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"unshare: {os.strerror(code)}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
    for family in (socket.AF_INET, socket.AF_INET6):
        _route_everything_here(family)


def _route_everything_here(family: socket.AddressFamily) -> None:
    route = struct.pack(
        "BBBBBBBBI", family, 0, 0, 0, _TABLE_LOCAL, _PROTOCOL_STATIC, _SCOPE_HOST, _TYPE_LOCAL, 0
    )
    attribute = struct.pack("HHI", 8, _RTA_OIF, _LOOPBACK_INDEX)
    header = struct.pack("IHHII", 16 + len(route + attribute), _RTM_NEWROUTE, _REQUEST_CREATE_ACK, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE) as netlink:
        netlink.send(header + route + attribute)
        answer = netlink.recv(4096)
    kind, code = struct.unpack_from("H", answer, 4)[0], struct.unpack_from("i", answer, 16)[0]
    if kind != _NLMSG_ERROR or code != 0:
        raise OSError(-code, f"route: {os.strerror(-code)}")
