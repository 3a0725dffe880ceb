"""Whether a webhook may be made as it was asked for. Pure: a request and the contracts in, all faults or a value out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from control import filters, patterns, request_headers
from control.models import NewWebhook, scope_of
from tocsin.destinations import Destination, Policy, parse_url
from tocsin.errors import DestinationNotAllowed, SecretInvalid, UrlInvalid
from tocsin.http.problems import Fault, invalid_body
from tocsin.wire.disclosure import HIDDEN
from tocsin.wire.signing import check_secret
from tocsin.wire.systems import System, Systems, WireFormat


@dataclass(frozen=True, slots=True)
class Registration:
    """What was asked for, checked.

    Attributes:
        url: Normal form.
        wire: How events will go over the wire.
        secret: The owner's own signing secret, or None.
    """

    url: str
    event_types: tuple[str, ...]
    filters: str | None
    scope: Mapping[str, str]
    active: bool
    description: str
    headers: Mapping[str, str] = field(repr=False)
    format: str | None
    wire: WireFormat
    secret: str | None = field(repr=False)


def registration(asked: NewWebhook, system: System, systems: Systems, policy: Policy) -> Registration:
    """Check a request for a new webhook.

    Raises:
        Problem: 400, with every field at fault.
    """
    url = checked_url(asked.url, system, policy)
    chosen = _format_name(asked, system, url)
    wire = _wire(chosen, system, systems)
    secret = asked.secret.get_secret_value() if asked.secret is not None else None
    faults = [part for part in (url, wire) if isinstance(part, Fault)]
    faults += wanted_faults(asked.events, asked.filters, system)
    faults += text_faults({"description": asked.description, **scope_of(asked, system)})
    if isinstance(wire, WireFormat):
        faults += secret_faults(secret, wire)
        faults += request_headers.faults(asked.headers, wire)
    if faults or isinstance(url, Fault) or isinstance(wire, Fault):
        raise invalid_body(faults)
    return Registration(
        url=url.url,
        event_types=tuple(dict.fromkeys(asked.events)),
        filters=filters.stored(asked.filters),
        scope=scope_of(asked, system),
        active=asked.active,
        description=asked.description,
        headers=dict(asked.headers),
        format=chosen,
        wire=wire,
        secret=secret,
    )


def checked_url(text: str, system: System, policy: Policy) -> Destination | Fault:
    """Return where a webhook of a system may go, or what is wrong with it."""
    if HIDDEN in text:
        return Fault(field="url", reason=f"has {HIDDEN} in it, so it is a URL as it is shown, not as it is")
    try:
        return parse_url(text, policy, https_only=system.https_only)
    except UrlInvalid as error:
        return Fault(field="url", reason=str(error))
    except DestinationNotAllowed:
        # Nothing more: a reason would tell what the network behind us looks like.
        return Fault(field="url", reason="destination_not_allowed")


def _format_name(asked: NewWebhook, system: System, url: Destination | Fault) -> str | None:
    """Return the open format, or None for the system's own: as asked for, else what the host alone understands."""
    if asked.format is None and isinstance(url, Destination):
        return system.host_formats.get(url.host)
    return None if asked.format == system.name else asked.format


def _wire(name: str | None, system: System, systems: Systems) -> WireFormat | Fault:
    try:
        return systems.wire_format(system.name, name)
    except KeyError:
        there_are = ", ".join(sorted(systems.formats))
        return Fault(field="format", reason=f"is not a format; there are {there_are}, or null")


def wanted_faults(events: Sequence[str], asked: Sequence[Any], system: System) -> list[Fault]:
    """Return what is wrong with the event types asked for, and with the filters of them."""
    found = list(_event_faults(events, system))
    # A filter by what a misspelt event has is not at fault too.
    return found + list(filters.faults(asked, ["*"] if found else events, system))


def _event_faults(events: Sequence[str], system: System) -> Iterator[Fault]:
    for index, pattern in enumerate(events):
        reason = patterns.fault(pattern, system.event_types, system.notices)
        if reason is not None:
            yield Fault(field=f"events.{index}", reason=reason)


def text_faults(texts: Mapping[str, str]) -> Iterator[Fault]:
    """Yield what is wrong with texts for people, by the names of their fields."""
    for name, text in texts.items():
        if not text.isprintable():
            yield Fault(field=name, reason="has a character that is not printable")


def secret_faults(secret: str | None, wire: WireFormat) -> Iterator[Fault]:
    """Yield what is wrong with an owner's own signing secret, or with there being none."""
    if secret is None:
        if wire.has_secret and not wire.signature.secret.made_here:
            yield Fault(field="secret", reason=f"{wire.title} needs the receiving service's own secret")
        return
    if not wire.has_secret:
        yield Fault(field="secret", reason=f"{wire.title} has none")
        return
    try:
        check_secret(wire.signature, secret)
    except SecretInvalid as error:
        yield Fault(field="secret", reason=str(error))
