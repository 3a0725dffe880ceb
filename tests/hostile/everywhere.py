"""Every refused place tried through the real delivery client, where everything that is dialled is connected.

python -m tests.hostile.everywhere prints what was tried, and who was connected to, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from ipaddress import ip_address
from typing import Final

from consumers.delivery.client import DeliveryClient
from consumers.delivery.guard import Guard
from consumers.delivery.lookup import Lookup
from consumers.delivery.outcome import Answered, Failed
from tests.hostile import namespace
from tests.hostile.endpoint import read_request
from tocsin.destinations import DEFAULT_PORTS, Address, Network, Policy
from tocsin.destinations.address import IPV4_REFUSED, IPV6_REFUSED

STRICT: Final = Policy(allow_http=True)
BLIND: Final = Policy.of(allow_http=True, allow_cidrs=["0.0.0.0/0", "::/0"])
"""A client that lets every URL pass, so that the check at connect stands alone."""

OTHER_PORTS: Final = (22, 25, 6379)

SPELLINGS: Final = (
    *("127.1", "127.0.1", "0x7f.1", "2130706433", "017700000001", "0", "0177.0.0.1", "127.0.0.1.", "10.1"),
    *("①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1", "localhost", "foo.localhost", "localhost.", "ⓛocalhost"),
    *("[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::ffff:0:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::1]"),
    *(
        "[fe80::1%25lo]",
        "[fe80::1%lo]",
        "[::1%251]",
        "user@127.0.0.1",
        "8.8.8.8@127.0.0.1",
        "127.0.0.1\\@8.8.8.8",
    ),
    *(
        "metadata.google.internal",
        "metadata",
        "kubernetes.default.svc",
        "printer.local",
        "8.8.8.8%00.10.0.0.1",
    ),
)

V6_SPECIAL: Final = (
    *(
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::ffff:10.0.0.1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "5f00::1",
    ),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "4000::1", "200::1"),
    *("2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1"),
)

PUBLIC: Final = ("8.8.8.8", "1.1.1.1", "11.0.0.1", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450::200e")


def refused_addresses() -> Iterator[str]:
    """Yield the first, the middle and the last address of every refused block, and what is refused in IPv6."""
    blocks: list[Network] = [network for network, _ in IPV4_REFUSED]
    blocks += [network for network, _ in IPV6_REFUSED]
    for block in blocks:
        yield from (str(block[place]) for place in (0, block.num_addresses // 2, -1))
    yield from V6_SPECIAL


class Everyone:
    """Listens on every address, and counts who is connected to."""

    def __init__(self) -> None:
        self.connected: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = ip_address(writer.get_extra_info("sockname")[0])
        self.connected.append(str(getattr(address, "ipv4_mapped", None) or address))
        if await read_request(reader) is not None:
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def listen(self, stack: AsyncExitStack) -> None:
        for port in (*DEFAULT_PORTS, *OTHER_PORTS):
            sock = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
            await stack.enter_async_context(await asyncio.start_server(self.serve, sock=sock))


async def tries(stack: AsyncExitStack) -> dict[str, object]:
    """Try everything that must be refused, then what must not."""
    everyone, answers = Everyone(), list[Sequence[Address]]()
    lookup = Lookup(lambda name: answers[-1])
    await everyone.listen(stack)
    client = await stack.enter_async_context(DeliveryClient(STRICT, guard=Guard(STRICT, lookup)))
    blind = await stack.enter_async_context(DeliveryClient(BLIND, guard=Guard(STRICT, lookup)))
    tried, passed = 0, list[str]()

    async def refuse(url: str, *clients: DeliveryClient) -> None:
        nonlocal tried
        for each in clients:
            tried += 1
            outcome = await each.post(url=url, headers=(), body=b"{}", timeout_s=5)
            if not isinstance(outcome, Failed) or outcome.kind != "refused_by_policy":
                passed.append(f"{url}: {outcome}")

    for text in refused_addresses():
        for port in DEFAULT_PORTS:
            host = f"[{text}]" if ":" in text else text
            await refuse(f"http://{host}:{port}/", client, blind)
        for answer in ([text], ["8.8.8.8", text], [text, "2606:4700:4700::1111"]):
            answers.append([ip_address(each) for each in answer])
            await refuse("http://hooks.example.com/", client, blind)
    for host in SPELLINGS:
        await refuse(f"http://{host}/", client, blind)
    for port in OTHER_PORTS:
        for host in PUBLIC:
            answers.append([ip_address(host)])
            await refuse(f"http://hooks.example.com:{port}/", client, blind)
            await refuse(f"http://{f'[{host}]' if ':' in host else host}:{port}/", client, blind)
    # Whoever was connected to before these stands before them in the queue of its port.
    delivered = [await _control(client, host, port) for host in PUBLIC for port in DEFAULT_PORTS]
    return {
        "tried": tried,
        "passed": passed,
        "connected": everyone.connected,
        "expected": [host for host in PUBLIC for _ in DEFAULT_PORTS],
        "delivered": all(delivered),
    }


async def _control(client: DeliveryClient, host: str, port: int) -> bool:
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    outcome = await client.post(url=url, headers=(), body=b"{}", timeout_s=5)
    return isinstance(outcome, Answered) and outcome.status == 200


async def main() -> None:
    """Print what came of it."""
    async with AsyncExitStack() as stack:
        print(json.dumps(await tries(stack)))  # noqa: T201 - its output is its interface


if __name__ == "__main__":
    namespace.enter()
    asyncio.run(main())
