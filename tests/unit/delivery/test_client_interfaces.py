"""The addresses of this host's own interfaces."""

from __future__ import annotations

from ipaddress import ip_address

from consumers.delivery.interfaces import REFRESH_S, OwnAddresses, own_addresses


def test_own_addresses_hold_loopback() -> None:
    """The one address every host has."""
    assert ip_address("127.0.0.1") in own_addresses()


def test_own_addresses_are_read_again_when_they_are_old() -> None:
    """Interfaces come and go."""
    now = [0.0]
    lists = iter([frozenset({ip_address("8.8.8.8")}), frozenset({ip_address("9.9.9.9")})])
    own = OwnAddresses(lambda: next(lists), lambda: now[0])
    now[0] = REFRESH_S
    assert own() == {ip_address("8.8.8.8")}
    now[0] = REFRESH_S + 1
    assert own() == {ip_address("9.9.9.9")}
    assert own() == {ip_address("9.9.9.9")}
