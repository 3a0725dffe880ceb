"""Host names and literals: from the text of a URL to what is looked up or dialled.

The order matters. UTS 46 comes first, because a resolver that is handed `①②⑦.⓪.⓪.①` or `127。0。0。1` connects
to loopback; only what is left then is told apart into address and name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

import idna

from tocsin.destinations.address import Address
from tocsin.errors import UrlInvalid

LOCALHOST: Final = "localhost"

NAME_MAX_CHARS: Final = 253
"""The longest name DNS can carry, written without the final dot (RFC 1035, 2.3.4)."""

REFUSED_SUFFIXES: Final = frozenset(
    {
        LOCALHOST,
        "local",
        "localdomain",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "private",
        "home.arpa",
        "svc",
        "onion",
        "invalid",
    }
)
"""Names that never lead to a public host: special-use, private by convention, or a cluster's own."""

METADATA_NAMES: Final = frozenset(
    {
        "metadata.goog",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "metadata.tencentyun.com",
        "metadata.nicc.cloud",
    }
)
"""Cloud metadata services that have a name of their own outside the suffixes above."""

_PLAIN_LABEL = re.compile(r"(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x.*")


@dataclass(frozen=True, slots=True)
class Host:
    """A host in normal form.

    Attributes:
        name: The A-label form in lower case without final dot, or the literal's shortest text, unbracketed.
        address: The address of a literal, None for a name.
    """

    name: str
    address: Address | None = None


def parse_host(text: str) -> Host:
    """Read the host of a URL's authority.

    Raises:
        UrlInvalid: It is neither a name under IDNA 2008 nor a canonical address.
    """
    if text.startswith("["):
        return _bracketed(text)
    name = _ascii(text)
    if _NUMERIC_LABEL.fullmatch(name.removesuffix(".").rpartition(".")[2]):
        return _dotted_quad(name)
    name = name.removesuffix(".")
    if len(name) > NAME_MAX_CHARS:
        raise UrlInvalid("the host name is too long")
    return Host(name)


def refused_name(name: str, *, loopback_open: bool = False) -> str | None:
    """Say why a name in normal form may not be a destination, or None.

    Args:
        name: As `Host.name` has it.
        loopback_open: The operator opened a loopback address, so `localhost` may be used.
    """
    labels = name.split(".")
    if loopback_open and labels[-1] == LOCALHOST:
        return None
    suffixes = [".".join(labels[start:]) for start in range(len(labels))]
    for suffix in suffixes:
        if suffix in REFUSED_SUFFIXES:
            return f".{suffix} names are not public"
        if suffix in METADATA_NAMES:
            return "a cloud's metadata service"
    return "a single label is no public name" if len(labels) == 1 else None


def _bracketed(text: str) -> Host:
    if not text.endswith("]"):
        raise UrlInvalid("text around the brackets of an IPv6 address")
    try:
        address = IPv6Address(text[1:-1])
    except AddressValueError:
        raise UrlInvalid("not an IPv6 address in brackets") from None
    return Host(address.compressed, address)


def _dotted_quad(name: str) -> Host:
    try:
        address = IPv4Address(name)
    except AddressValueError:
        raise UrlInvalid("a host that ends in a number must be a dotted quad such as 93.184.216.34") from None
    return Host(name, address)


def _ascii(text: str) -> str:
    lowered = text.lower()
    # IDNA forbids hyphens in the third and fourth place, DNS does not, and hosts with them exist.
    if text.isascii() and all(map(_PLAIN_LABEL.fullmatch, lowered.removesuffix(".").split("."))):
        return lowered
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii").lower()
    except UnicodeError as error:
        raise UrlInvalid("not a host name that IDNA 2008 allows") from error
