"""Which TCP ports of this machine are bound, and by whom."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.settings import HOST, Port

LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket.

    Args:
        address: Where it listens; an IPv4 address in IPv6 clothes is given as IPv4.
        port: TCP port.
        inode: The kernel's number of the socket.
    """

    address: IPv4Address | IPv6Address
    port: int
    inode: int


def require_free(port: Port) -> None:
    """Check that a port can be bound on loopback.

    Raises:
        StackError: It is taken; the message names port, holder and remedy.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port.number))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise StackError(
                f"port {port.number} ({port.role}) is taken by {_holder(port.number)}; "
                f"stop that, or set {port.variable} to a free port"
            ) from error


def parse_listeners(table: str) -> Iterator[Listener]:
    """Read the listening sockets out of the text of `/proc/net/tcp` or `/proc/net/tcp6`."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTEN:
            address, _, port = fields[1].partition(":")
            yield Listener(_address(address), int(port, 16), int(fields[9]))


def listeners() -> list[Listener]:
    """Every listening TCP socket of this machine; empty where the kernel has no /proc."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    return [found for table in tables if table.exists() for found in parse_listeners(table.read_text())]


def listeners_of(pid: int) -> list[Listener]:
    """The listening TCP sockets of one process."""
    inodes = _inodes(pid)
    return [listener for listener in listeners() if listener.inode in inodes]


def _holder(port: int) -> str:
    inodes = {listener.inode for listener in listeners() if listener.port == port}
    for directory in Path("/proc").glob("[0-9]*") if inodes else ():
        if inodes & _inodes(int(directory.name)):
            return f"pid {directory.name} ({_command(directory)})"
    return "another process"


def _command(directory: Path) -> str:
    try:
        words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
    except OSError:
        return "?"
    text = " ".join(words)
    return text if len(text) <= 70 else f"{text[:30]} … {text[-36:]}"


def _inodes(pid: int) -> set[int]:
    # The process may end meanwhile or close a file, or be another user's.
    found = set()
    with suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found


def _address(text: str) -> IPv4Address | IPv6Address:
    # The kernel prints each 32-bit word in the byte order of the machine.
    words = [int(text[at : at + 8], 16).to_bytes(4, "little") for at in range(0, len(text), 8)]
    address = ip_address(b"".join(words))
    return getattr(address, "ipv4_mapped", None) or address
