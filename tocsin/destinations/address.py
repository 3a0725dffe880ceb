"""The address table: which IP addresses are public hosts of the internet, and which are something else.

IPv4 is a list of what is refused. IPv6 is the other way round: only global unicast (2000::/3) is accepted, less
what is special inside it, so that every way to write an IPv4 address into an IPv6 one (mapped, compatible, NAT64,
SIIT) falls out without being named. `ipaddress.is_global` is no substitute: it passes multicast, 6to4 of
private addresses, site-local and the metadata services of some clouds.

Sources: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and its successors), the IANA
multicast and IPv6 space registries, RFC 5214 (ISATAP), and the clouds' own documents.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

IPV4_REFUSED: Final[tuple[tuple[IPv4Network, str], ...]] = tuple(
    (IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private use"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local, cloud metadata"),
        ("172.16.0.0/12", "private use"),
        ("192.0.0.0/24", "IETF protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "AMT relays"),
        ("192.88.99.0/24", "6to4 relays"),
        ("192.168.0.0/16", "private use"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, broadcast"),
        ("168.63.129.16/32", "Azure's wire server"),
    )
)

IPV6_ACCEPTED: Final = IPv6Network("2000::/3")

IPV6_REFUSED: Final[tuple[tuple[IPv6Network, str], ...]] = tuple(
    (IPv6Network(network), what)
    for network, what in (
        ("2001::/23", "IETF protocol assignments, Teredo"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
        ("3ffe::/16", "6bone"),
    )
)

_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""The upper half of an ISATAP interface id, without and with the universal bit (RFC 5214, 6.1)."""


def special(address: Address) -> str | None:
    """Say what makes an address unfit as a destination, or None for a public host's address."""
    if isinstance(address, IPv4Address):
        return next((what for network, what in IPV4_REFUSED if address in network), None)
    if address.scope_id is not None:
        return "it has a zone id"
    if address not in IPV6_ACCEPTED:
        return "not global unicast"
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return "ISATAP"
    return next((what for network, what in IPV6_REFUSED if address in network), None)


def embedded(address: IPv6Address, prefix: IPv6Network) -> IPv4Address:
    """Return the IPv4 address that a translator with this prefix would send to (RFC 6052, 2.2).

    Args:
        address: An address inside `prefix`.
        prefix: A translation prefix of 32, 40, 48, 56, 64 or 96 bits.
    """
    packed = address.packed
    if prefix.prefixlen == 96:
        return IPv4Address(packed[12:])
    without_u_octet = packed[:8] + packed[9:]
    start = prefix.prefixlen // 8
    return IPv4Address(without_u_octet[start : start + 4])
