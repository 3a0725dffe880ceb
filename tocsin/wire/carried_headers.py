"""Request headers that somebody else named, or rendered: whether they may be sent along with a webhook. Pure.

What belongs to the connection, or decides where a request begins and ends, is ours alone: two readings of it are how
requests are smuggled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

VALUE_MAX_CHARS: Final = 8_192
COUNT_MAX: Final = 64

CONNECTION_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
"""What a header's name is, as a regular expression."""

_NAME = re.compile(NAME)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def is_name(text: str) -> bool:
    """Return whether this may be a header's name at all."""
    return _NAME.fullmatch(text) is not None


def fault(headers: Sequence[tuple[str, str]]) -> str | None:
    """Say why headers may not be sent, or None; the words hold no value."""
    if len(headers) > COUNT_MAX:
        return f"over {COUNT_MAX} headers"
    for name, value in headers:
        if (reason := _name_fault(name)) is not None:
            return reason
        if len(value) > VALUE_MAX_CHARS:
            return f"the value of the header {name} is too long"
    # At once: this is asked for with every delivery.
    if _CONTROL.search("".join([value for _, value in headers])):
        return "a header's value has a control character"
    return None


@lru_cache(maxsize=1_024)  # names are few, and asked for with every delivery
def _name_fault(name: str) -> str | None:
    if not is_name(name):
        return "a header's name is none"
    return f"the header {name} belongs to the connection" if name.lower() in CONNECTION_HEADERS else None
