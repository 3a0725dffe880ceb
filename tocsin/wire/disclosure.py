"""What may be shown of an endpoint's address, in answers, records and logs. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from tocsin.wire.formats import WireFormat

HIDDEN: Final = "…"

_SECRET_PATH_HOSTS: Final = frozenset({"hooks.slack.com", "discord.com", "outlook.office.com"})
"""Here the path of the URL is all that a sender needs, whatever the format."""


def shown_url(url: str, wire: WireFormat) -> str:
    """Return a URL, without its path where that is a secret: nothing else would protect the endpoint."""
    parts = urlsplit(url)
    if wire.has_secret and not wire.url_is_secret and parts.hostname not in _SECRET_PATH_HOSTS:
        return url
    return f"{parts.scheme}://{parts.netloc}/{HIDDEN}"
