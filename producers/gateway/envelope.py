"""An event as a caller sends it, made into an event. Pure: time and ids are arguments.

Two dialects of one JSON object. With `specversion` it is a CloudEvent: `id` and `source` are required, and whatever
else stands beside `data` is an extension attribute. Without, it is ours: both may be left out, extensions stand in
`extensions`, and a name that is not known is refused, because it may be a misspelt one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tocsin import events
from tocsin.errors import EventInvalid
from tocsin.events import Event

OURS: Final = ("id", "source", "type", "time", "subject", "organization", "data", "extensions")

_NO_EXTENSIONS: Final = frozenset({*OURS[:-1], "specversion", "datacontenttype", "dataschema", "data_base64"})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the request gives to every event in it.

    Attributes:
        organization: The key's; an event may repeat it, and cannot have another.
        source: For an event that names none.
        now: For an event that says no time.
        new_id: Makes the id of an event without one, from its place in the request.
    """

    organization: str
    source: str
    now: datetime
    new_id: Callable[[int], str]


def read(value: object, place: int, defaults: Defaults, *, cloudevent: bool = False) -> tuple[Event, Any]:
    """Return an event and its data, which is not checked.

    Args:
        value: As it was parsed.
        place: Its place in the request, from 0.
        cloudevent: Whether the request says that it is a CloudEvent; else `specversion` decides.

    Raises:
        EventInvalid: Naming the attribute.
    """
    if not isinstance(value, dict):
        raise EventInvalid("event", "must be an object")
    given = {name: item for name, item in value.items() if item is not None}
    extensions = _cloudevent(given) if cloudevent or "specversion" in given else _ours(given)
    if given.get("organization", defaults.organization) != defaults.organization:
        raise EventInvalid("organization", f"is the API key's, {defaults.organization!r}, and no other")
    if "type" not in given:
        raise EventInvalid("type", "is required")
    event = Event(
        id=given["id"] if "id" in given else defaults.new_id(place),
        source=given.get("source", defaults.source),
        type=given["type"],
        time=_time(given["time"]) if "time" in given else defaults.now,
        organization=defaults.organization,
        subject=given.get("subject"),
        extensions=extensions,
    )
    events.check(event)
    return event, value.get("data")


def _cloudevent(given: Mapping[str, Any]) -> dict[str, str]:
    for name in ("specversion", "id", "source"):
        if name not in given:
            raise EventInvalid(name, "is required of a CloudEvent")
    if given["specversion"] != events.SPEC_VERSION:
        raise EventInvalid("specversion", f"must be {events.SPEC_VERSION!r}")
    if "data_base64" in given:
        raise EventInvalid("data_base64", "is not taken; give the data as JSON in `data`")
    if not _is_json(given.get("datacontenttype", "application/json")):
        raise EventInvalid("datacontenttype", "must be application/json")
    return {name: _text(name, value) for name, value in given.items() if name not in _NO_EXTENSIONS}


def _ours(given: Mapping[str, Any]) -> dict[str, str]:
    for name in given:
        if name not in OURS:
            near = difflib.get_close_matches(name, OURS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(OURS)}"
            raise EventInvalid(name, f"is no attribute of an event; {hint}")
    extensions = given.get("extensions", {})
    if not isinstance(extensions, dict):
        raise EventInvalid("extensions", "must be an object")
    return {name: _text(name, value) for name, value in extensions.items() if value is not None}


def _is_json(media_type: object) -> bool:
    if not isinstance(media_type, str):
        return False
    plain = media_type.partition(";")[0].strip().lower()
    return plain == "application/json" or plain.endswith("+json")


def _text(name: str, value: object) -> str:
    """Return an extension's value as the text in which CloudEvents' bindings write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value
    raise EventInvalid(name, "must be text, a whole number, true or false")


def _time(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
        if moment.tzinfo is None:
            raise EventInvalid("time", "needs a time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise EventInvalid(
            "time", "must be a time as RFC 3339 writes it, such as 2026-11-21T08:00:00Z"
        ) from None
