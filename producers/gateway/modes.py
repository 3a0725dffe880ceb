"""The ways in which events stand in a request, each read into JSON objects of one shape. Pure.

| `Content-Type` | body |
|---|---|
| `application/json` | an event of ours, or a list of them |
| `application/json` with `ce-` headers | an event's data: CloudEvents' binary mode |
| `application/cloudevents+json` | a CloudEvent: structured mode |
| `application/cloudevents-batch+json` | a list of CloudEvents: batched mode |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import orjson

from tocsin.http.bodies import check_depth
from tocsin.http.problems import Fault, Problem, invalid_body

EVENTS_MAX: Final = 1_000
BATCH_MAX_BYTES: Final = 1024 * 1024
"""A thousand events of a kilobyte. One event alone has the bound of every other body."""

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
PLAIN: Final = "application/json"

_BINARY: Final = "ce-"
_LIST = re.compile(rb"[ \t\r\n]*\[")


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request holds.

    Attributes:
        events: One JSON value for each event, of whatever shape.
        batched: Whether it was a list.
        cloudevents: Whether the caller said that these are CloudEvents.
    """

    events: Sequence[Any]
    batched: bool
    cloudevents: bool


def read(media_type: str, headers: Iterable[tuple[str, str]], body: bytes) -> Sent:
    """Read a request's events.

    Args:
        media_type: Of the body, without parameters.
        headers: Lower-case names.
        body: Within `BATCH_MAX_BYTES`.

    Raises:
        Problem: 400 not JSON, or not one event or 1 to `EVENTS_MAX` of them; 415 another media type.
    """
    if media_type not in (PLAIN, STRUCTURED, BATCHED):
        told = f"the body must be {PLAIN}, {STRUCTURED} or {BATCHED}, not {media_type[:100]}"
        raise Problem(415, "unsupported_media_type", told)
    value = _parsed(body)
    if media_type == PLAIN and (attributes := _binary(headers)):
        return Sent([{**attributes, "data": value}], batched=False, cloudevents=True)
    batched = isinstance(value, list)
    if media_type != PLAIN and batched != (media_type == BATCHED):
        wanted = "a list of events" if media_type == BATCHED else "one event"
        raise invalid_body([Fault(field="body", reason=f"must be {wanted}, as {media_type} is")])
    if batched and not 1 <= len(value) <= EVENTS_MAX:
        raise invalid_body([Fault(field="body", reason=f"holds {len(value)} events; 1 to {EVENTS_MAX}")])
    return Sent(value if batched else [value], batched, cloudevents=media_type != PLAIN)


def is_list(body: bytes) -> bool:
    """Return whether a body begins as a list."""
    return _LIST.match(body) is not None


def _parsed(body: bytes) -> Any:
    check_depth(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        reason = f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        raise invalid_body([Fault(field="body", reason=reason)]) from None


def _binary(headers: Iterable[tuple[str, str]]) -> Mapping[str, Any]:
    return {name[3:]: unquote(value) for name, value in headers if name.startswith(_BINARY)}
