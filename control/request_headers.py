"""The owner's own request headers: which may be sent along with a webhook. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from tocsin.http.problems import Fault
from tocsin.wire.carried_headers import CONNECTION_HEADERS, is_name
from tocsin.wire.systems import WireFormat

COUNT_MAX: Final = 20
VALUE_MAX_CHARS: Final = 1024

_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")

_RESERVED: Final = CONNECTION_HEADERS | {"cookie", "traceparent", "tracestate", "user-agent", "via"}
_RESERVED_PREFIXES: Final = ("content-", "proxy-", "x-forwarded-", "sec-")


def faults(headers: Mapping[str, str], wire: WireFormat) -> Iterator[Fault]:
    """Yield what is wrong with an owner's headers.

    Args:
        headers: Name to value, as the owner wrote them.
        wire: The format that they are sent along with; its own headers win.
    """
    if len(headers) > COUNT_MAX:
        yield Fault(field="headers", reason=f"over {COUNT_MAX} headers")
        return
    taken = {each.name.lower() for each in wire.headers} | {
        each.lower() for each in wire.signature.header_names()
    }
    prefixes = tuple(each.name.lower() for each in wire.headers if each.spread)
    seen: set[str] = set()
    for name, value in headers.items():
        reason = _name_reason(name, taken, prefixes) or _value_reason(value)
        if reason is None and name.lower() in seen:
            reason = "stands there twice"
        seen.add(name.lower())
        if reason is not None:
            yield Fault(field=f"headers.{ascii(name)[1:-1][:100]}", reason=reason)


def _name_reason(name: str, taken: Collection[str], prefixes: tuple[str, ...]) -> str | None:
    lower = name.lower()
    if not is_name(name):
        return "is not a header name"
    if lower in taken or lower.startswith(prefixes):
        return "is sent by the webhook itself"
    if lower in _RESERVED or lower.startswith(_RESERVED_PREFIXES):
        return "may not be set"
    return None


def _value_reason(value: str) -> str | None:
    if len(value) > VALUE_MAX_CHARS:
        return f"is longer than {VALUE_MAX_CHARS} characters"
    if not _VALUE.fullmatch(value):
        return "is empty, has a space at an end, or a character that is not printable ASCII"
    return None
