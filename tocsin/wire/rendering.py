"""Rendering: an event becomes the bytes and headers that are sent. Pure, and once per event and wire format.

What is rendered here is stored and sent at every attempt; only the signature is made anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from tocsin.errors import NoSecret, RenderError
from tocsin.wire import carried_headers
from tocsin.wire.facts import DeliveryFacts, EventFacts

if TYPE_CHECKING:
    from tocsin.wire.formats import WireFormat

__all__ = ["DeliveryFacts", "EventFacts", "Rendered", "inject_secret", "render"]

HEADER_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\Z")


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is sent, but for its signature.

    Attributes:
        body: The exact bytes.
        content_type: Value of the `Content-Type` header.
        headers: Every other header of the wire format, in order.
    """

    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...]


def render(wire: WireFormat, event: EventFacts, data: Mapping[str, Any], delivery: DeliveryFacts) -> Rendered:
    """Render one event in a wire format.

    Args:
        wire: As `Systems.wire_format` returns it for the event's system.
        event: The event's attributes.
        data: The decoded record, or the data as its publisher gave it.
        delivery: Matters only where `wire.depends_on_delivery`.

    Raises:
        RenderError: The format cannot express this event, whoever it is for.
    """
    payload = wire.payloads.get(event.type)
    if payload is None:
        raise RenderError(f"{event.type!r} is no event of {event.system}")
    shaped = payload(data)
    try:
        body = orjson.dumps(wire.body.get(event, shaped, delivery))
    except TypeError as error:
        raise RenderError(f"no JSON: {error}") from error
    headers = _headers(wire, event, shaped, delivery)
    # By the rule that delivery goes by, which would set each of this event's deliveries aside.
    reason = carried_headers.fault([("content-type", wire.content_type), *headers])
    if reason is not None:
        raise RenderError(reason)
    return Rendered(body, wire.content_type, headers)


def inject_secret(body: bytes, wire: WireFormat, secret: str) -> bytes:
    """Put the secret that a body format needs into a rendered body, at the moment of sending.

    The rest of the body stays the same bytes. A format without such a field gets its body back.

    Raises:
        NoSecret: The format needs one and there is none.
    """
    if wire.secret_field is None:
        return body
    if not secret:
        raise NoSecret(f"{wire.name} needs a secret in its body")
    return b"{" + orjson.dumps(wire.secret_field) + b":" + orjson.dumps(secret) + b"," + body[1:]


def _headers(
    wire: WireFormat, event: EventFacts, data: Mapping[str, Any], delivery: DeliveryFacts
) -> tuple[tuple[str, str], ...]:
    out: list[tuple[str, str]] = []
    for header in wire.headers:
        value = header.value.get(event, data, delivery)
        if header.value.constant:
            out.append((header.name, value))
        elif header.spread:
            out += [_header(header.name + name, text) for name, text in value.items()]
        elif value is not None:
            out.append(_header(header.name, str(value)))
    return tuple(out)


def _header(name: str, value: str) -> tuple[str, str]:
    if not HEADER_VALUE.match(value):
        raise RenderError(f"header {name} can't carry {value[:100]!r}")
    return name, value
