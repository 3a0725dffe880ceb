"""The policy of a deployment, and the decision on one address and port."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, TypeVar

from tocsin.destinations.address import Address, Network, embedded, special
from tocsin.errors import ConfigurationError
from tocsin.settings import PORTS, Settings

DEFAULT_PORTS: Final = frozenset(PORTS)

LOOPBACK: Final[tuple[Network, ...]] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

_NAT64_LENGTHS: Final = frozenset({32, 40, 48, 56, 64, 96})
"""Prefix lengths a translator may have (RFC 6052, 2.2)."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator decided about destinations; the default is the strict one.

    Attributes:
        allow_http: Accept `http://` where the subscription's system does not forbid it.
        allow_cidrs: Ranges opened although the table refuses them, on every port. Off outside tests and demos.
        denied_cidrs: The operator's own ranges; they win over `allow_cidrs`.
        ports: Ports a destination may have.
        nat64_prefixes: Translation prefixes of an IPv6-only host: an address inside is judged as the IPv4
            address it leads to.
    """

    allow_http: bool = False
    allow_cidrs: tuple[Network, ...] = ()
    denied_cidrs: tuple[Network, ...] = ()
    ports: frozenset[int] = DEFAULT_PORTS
    nat64_prefixes: tuple[IPv6Network, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        allow_http: bool = False,
        allow_cidrs: Iterable[str] = (),
        denied_cidrs: Iterable[str] = (),
        ports: Iterable[int] = DEFAULT_PORTS,
        nat64_prefixes: Iterable[str] = (),
    ) -> Policy:
        """Read a policy from settings.

        Raises:
            ConfigurationError: A range is malformed (`10.0.0.1/8` has host bits set), or a NAT64 prefix has a
                length no translator uses.
        """
        return cls(
            allow_http=allow_http,
            allow_cidrs=_read("TOCSIN_ALLOW_CIDRS", allow_cidrs, ip_network),
            denied_cidrs=_read("TOCSIN_DENIED_CIDRS", denied_cidrs, ip_network),
            ports=frozenset(ports),
            nat64_prefixes=_read("TOCSIN_NAT64_PREFIXES", nat64_prefixes, _translation_prefix),
        )

    @property
    def loopback_open(self) -> bool:
        """Whether `localhost` may be a destination: some loopback address is opened."""
        return any(network.overlaps(loopback) for network in self.allow_cidrs for loopback in LOOPBACK)


def policy_of(settings: Settings) -> Policy:
    """Return the policy that the settings state; raises as `Policy.of`."""
    return Policy.of(
        allow_http=settings.allow_http,
        allow_cidrs=settings.allow_cidrs,
        denied_cidrs=settings.denied_cidrs,
        ports=settings.ports,
        nat64_prefixes=settings.nat64_prefixes,
    )


def refusal(address: Address, port: int, policy: Policy, own: Collection[Address] = ()) -> str | None:
    """Decide on one address and port, a literal's or one that is about to be dialled.

    Args:
        address: The final address, as it would be given to `connect`.
        port: The TCP port.
        policy: The deployment's policy.
        own: Addresses of this host's own interfaces.

    Returns:
        None when a POST may go there, else why not, for the operator: a tenant only hears that it may not.
    """
    if not 0 < port < 65536:
        return f"{port} is no port"
    for prefix in policy.nat64_prefixes:
        if (
            isinstance(address, IPv6Address)
            and address in prefix
            and not _inside(address, policy.denied_cidrs)
        ):
            return refusal(embedded(address, prefix), port, policy, own)
    if _inside(address, policy.denied_cidrs):
        return "in a range the operator denied"
    if opened(address, policy):
        return None
    if port not in policy.ports:
        return f"port {port} is not allowed"
    if address in own:
        return "an address of this host"
    return special(address)


def opened(address: Address, policy: Policy) -> bool:
    """Tell whether the operator opened this address, on every port."""
    return _inside(address, policy.allow_cidrs) and not _inside(address, policy.denied_cidrs)


def _inside(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _translation_prefix(text: str) -> IPv6Network:
    network = IPv6Network(text)
    if network.prefixlen not in _NAT64_LENGTHS:
        raise ValueError(f"{text} is no translation prefix: its length is none of {sorted(_NAT64_LENGTHS)}")
    return network


def _read(setting: str, texts: Iterable[str], parse: Callable[[str], T]) -> tuple[T, ...]:
    try:
        return tuple(parse(text) for text in texts)
    except ValueError as error:
        raise ConfigurationError(setting, "", str(error)) from error
