"""The address table, against every entry of the special-purpose registries and against what guards overlook."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.destinations import Address, special
from tocsin.destinations.address import IPV4_REFUSED, embedded


def _words(text: str) -> list[str]:
    return text.split()


IPV4_REGISTRY = _words(
    """
    0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
    192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24
    192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
    240.0.0.0/4 255.255.255.255/32 224.0.0.0/4 168.63.129.16/32
    """
)

IPV6_REGISTRY = _words(
    """
    ::1/128 ::/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
    2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28
    2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8 3ffe::/16 ::/96
    4000::/2 1000::/4 200::/7
    """
)

OVERLOOKED = _words(
    """
    169.254.169.254 168.63.129.16 100.100.100.200 192.0.0.192 224.0.0.1 239.255.255.250 255.255.255.255 0.0.0.0
    ::ffff:127.0.0.1 ::ffff:100.64.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8 ::127.0.0.1 ::7f00:1 ::ffff:0:127.0.0.1
    64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::a9fe:a9fe fec0::1 fd00:ec2::254 fd20:ce::254 fe80::a9fe:a9fe
    2002:7f00:1::1 2002:808:808::1 2001:0:7f00:1:: 2001:0:4136:e378:8000:63bf:3fff:fdd2
    2606:4700::5efe:7f00:1 2606:4700::200:5efe:a00:1 2a00:1450:4001:81b:0:5efe:c0a8:1 ff02::1 ff0e::1
    fe80::1%eth0 2606:4700:4700::1111%1 ::1%lo
    """
)

PUBLIC = _words(
    """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
    169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.31.195.255 192.31.197.0
    192.52.192.255 192.52.194.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 192.175.47.255 192.175.49.0
    198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255
    168.63.129.15 168.63.129.17 2606:4700:4700::1111 2001:200:: 2001:4860:4860::8888 2001:db7:ffff::1 2001:db9::
    2003:: 2620:4f:7fff::1 2620:4f:8001::1 3ffd:ffff:: 3fff:1000:: 2a00:1450:4001:81b::200e 2400:cb00::5eff:7f00:1
    """
)


@pytest.mark.parametrize("network", [*IPV4_REGISTRY, *IPV6_REGISTRY])
def test_registry_entry_is_refused_from_its_first_address_to_its_last(network: str) -> None:
    """No address of a special-purpose block is a destination."""
    block = ip_network(network)
    middle = block[block.num_addresses // 2]
    assert all(special(address) for address in (block[0], middle, block[-1]))


@pytest.mark.parametrize("address", OVERLOOKED)
def test_address_that_leads_inside_is_refused_however_it_is_written(address: str) -> None:
    """Embedded, translated, tunnelled and zoned addresses are as bad as plain ones."""
    assert special(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_accepted_right_up_to_the_edge_of_a_special_block(address: str) -> None:
    """The table refuses no more than it says."""
    assert special(ip_address(address)) is None


@given(st.ip_addresses())
def test_table_never_accepts_what_the_standard_library_calls_private(address: Address) -> None:
    """`is_private` is an independent reading of the registries; ours is the stricter one."""
    if address.is_private or address.is_multicast or address.is_loopback or address.is_link_local:
        assert special(address)


@given(st.sampled_from([network for network, _ in IPV4_REFUSED]), st.integers(min_value=0), st.data())
def test_ipv6_address_that_ends_in_a_refused_ipv4_address_is_refused_outside_public_space(
    network: IPv4Network, offset: int, data: st.DataObject
) -> None:
    """Whatever transition prefix is in front, in the space where such prefixes live."""
    inner = network[offset % network.num_addresses]
    prefix = data.draw(st.sampled_from(["::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "2002::", "2001::"]))
    assert special(IPv6Address(int(IPv6Address(prefix)) | int(inner)))


@pytest.mark.parametrize(
    ("prefix", "address"),
    [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ],
)
def test_embedded_address_is_found_as_in_the_table_of_rfc_6052(prefix: str, address: str) -> None:
    """The six known answers of RFC 6052, 2.4."""
    assert embedded(IPv6Address(address), IPv6Network(prefix)) == IPv4Address("192.0.2.33")
