"""The URL of an endpoint: parsed once, strictly, into the normal form that is stored and sent.

Nothing is repaired. What two parsers could read in two ways (user info, backslashes, percent in the authority,
an empty port, tabs that `urlsplit` drops) is refused, so that the host that was checked is the host that is
dialled. Path and query keep their bytes, but for dot segments and an empty query, which are dropped, and
non-ASCII letters, which are percent-encoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from tocsin.destinations.address import Address
from tocsin.destinations.host import Host, parse_host, refused_name
from tocsin.destinations.policy import Policy, opened, refusal
from tocsin.errors import DestinationNotAllowed, UrlInvalid

URL_MAX_CHARS: Final = 2048

SCHEME_PORTS: Final = {"https": 443, "http": 80}

_REFUSED: Final = frozenset(' \\<>"{}|^`')
_URL = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?]+)(?P<path>[^?]*)(?:\?(?P<query>.*))?")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SENT_AS_IS: Final = "!$%&'()*+,-./:;=?@[]_~"


@dataclass(frozen=True, slots=True)
class Destination:
    """An endpoint's URL that policy accepts, as far as the URL itself can tell.

    Attributes:
        url: The normal form: store this, send to this.
        scheme: `https` or `http`.
        host: A-label name or address text, without brackets and final dot.
        port: TCP port, the scheme's own when the URL names none.
        address: The address when the host is a literal, else None: then every answer is checked at connect.
    """

    url: str
    scheme: str
    host: str
    port: int
    address: Address | None = None

    @property
    def is_literal(self) -> bool:
        """Whether the URL names an address rather than a host."""
        return self.address is not None


def parse_url(text: str, policy: Policy, *, https_only: bool = False) -> Destination:
    """Read an endpoint's URL and decide what can be decided without a lookup.

    A name keeps its verdict for the moment of connecting. That includes its port when `policy.allow_cidrs` is
    set, because only the answers tell whether the operator opened them.

    Args:
        text: The URL as somebody wrote it.
        policy: The deployment's policy.
        https_only: The subscription's system forbids `http://`, whatever the policy says.

    Raises:
        UrlInvalid: The text is not a URL that a webhook may have; the message says why.
        DestinationNotAllowed: Policy refuses where it leads.
    """
    _check_characters(text)
    match = _URL.fullmatch(text)
    if match is None:
        raise UrlInvalid("not of the form https://host/path")
    scheme = match["scheme"].lower()
    _check_scheme(scheme, allow_http=policy.allow_http and not https_only)
    host, port = _authority(match["authority"], scheme)
    _check_destination(host, port, policy)
    authority = _host_text(host) if port == SCHEME_PORTS[scheme] else f"{_host_text(host)}:{port}"
    query = f"?{quote(match['query'], safe=_SENT_AS_IS)}" if match["query"] else ""
    url = f"{scheme}://{authority}{_path(match['path'])}{query}"
    if len(url) > URL_MAX_CHARS:
        raise UrlInvalid(f"longer than {URL_MAX_CHARS} characters")
    return Destination(url, scheme, host.name, port, host.address)


def _check_characters(text: str) -> None:
    if len(text) > URL_MAX_CHARS:
        raise UrlInvalid(f"longer than {URL_MAX_CHARS} characters")
    # Everything Unicode calls a separator, control, format, surrogate or unassigned is not printable.
    if not text.isprintable() or not _REFUSED.isdisjoint(text):
        raise UrlInvalid('a control character, space, backslash or one of <>"{}|^` in the URL')
    if "#" in text:
        raise UrlInvalid("a fragment (#) is never sent")
    if _LONE_PERCENT.search(text):
        raise UrlInvalid("a percent sign that is not followed by two hexadecimal digits")


def _check_scheme(scheme: str, *, allow_http: bool) -> None:
    if scheme not in SCHEME_PORTS:
        raise UrlInvalid("the scheme must be https")
    if scheme == "http" and not allow_http:
        raise UrlInvalid("http is not allowed here, use https")


def _authority(text: str, scheme: str) -> tuple[Host, int]:
    if "@" in text:
        raise UrlInvalid("user info in the URL")
    if "%" in text:
        raise UrlInvalid("a percent sign in the host")
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise UrlInvalid("not of the form host or host:port")
    port = int(match["port"] or SCHEME_PORTS[scheme])
    if port > 65535:
        raise UrlInvalid("no such port")
    return parse_host(match["host"]), port


def _check_destination(host: Host, port: int, policy: Policy) -> None:
    if host.address is not None:
        _check_port(port, policy, any_port=opened(host.address, policy))
        refused = refusal(host.address, port, policy)
    else:
        _check_port(port, policy, any_port=bool(policy.allow_cidrs))
        refused = refused_name(host.name, loopback_open=policy.loopback_open)
    if refused is not None:
        raise DestinationNotAllowed(refused)


def _check_port(port: int, policy: Policy, *, any_port: bool) -> None:
    if port not in policy.ports and not any_port:
        raise UrlInvalid(f"the port must be one of {', '.join(map(str, sorted(policy.ports)))}")


def _host_text(host: Host) -> str:
    return f"[{host.name}]" if ":" in host.name else host.name


def _path(path: str) -> str:
    """Return a path with its dot segments removed (RFC 3986, 5.2.4) and its non-ASCII letters encoded."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments and segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + quote("/".join(kept), safe=_SENT_AS_IS)
