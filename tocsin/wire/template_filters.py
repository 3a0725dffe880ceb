"""What a template may do to a value: `${event.time|rfc3339_ms}`. Every filter is in `FILTERS`.

A filter says which kinds of value it takes and which it gives, so that a template that can never work is refused
when it is read. None passes every filter but `default`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

from tocsin.errors import RenderError
from tocsin.wire.facts import EventFacts

Kind = Literal["text", "time", "number", "object", "any"]
Apply = Callable[[Any, EventFacts], Any]
Maps = Mapping[str, Mapping[str, str]]

_NAMESPACE: Final = uuid.UUID("8f6b2b61-1c6e-5b0a-9d57-6a2a0e7d3c55")
_PERCENT: Final = re.compile(r"[^\x21\x23\x24\x26-\x7e]")
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPED: Final = re.compile(r"[&<>]")
_OTHERS: Final = "*"


class TemplateFilterInvalid(ValueError):
    """A filter's argument is missing, superfluous or wrong."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter.

    Attributes:
        takes: Kinds it accepts.
        gives: Kind of its result; None when it gives what it takes.
        build: Makes the function from the text after the colon ("" without) and the format's maps; raises
            `TemplateFilterInvalid`.
    """

    takes: frozenset[Kind]
    gives: Kind | None
    build: Callable[[str, Maps], Apply]


def as_text(value: Any) -> str:
    """Return a value as text: text as it is, anything else as JSON; RenderError if JSON can't hold it."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise RenderError(f"no JSON: {error}") from error


def event_uuid(text: str, event: EventFacts) -> uuid.UUID:
    """Return `text` as a UUID if it is one, else one derived from it and the event's source and type.

    Ids are unique within a source and type only; a receiver compares them over all.
    """
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.uuid5(_NAMESPACE, orjson.dumps([event.source, event.type, text]).decode())


def bounded(text: str, limit: int) -> str:
    """Return at most `limit` characters; what is cut ends in an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def mrkdwn(value: Any, limit: int) -> str:
    """Return a value as Slack's mrkdwn, at most `limit` characters; an object becomes a line per field.

    Nothing inside a value is markup: `&`, `<` and `>` are escaped, so it mentions nobody and links nowhere.
    """
    if not isinstance(value, Mapping):
        return _escaped(as_text(value), limit)
    lines: list[str] = []
    left = limit
    for line in _lines(value, limit):
        if len(line) + 2 > left:
            lines.append("…")
            break
        lines.append(line)
        left -= len(line) + 1
    # Slack refuses an empty text.
    return "\n".join(lines) or "–"


def _lines(value: Mapping[str, Any], limit: int) -> Iterator[str]:
    for name, item in value.items():
        if item is not None:
            yield f"*{_one_line(name, 100)}*: {_one_line(as_text(item), min(500, limit // 2))}"


def _one_line(text: str, limit: int) -> str:
    return _escaped(" ".join(text.split()), limit)


def _escaped(text: str, limit: int) -> str:
    whole = _ESCAPED.sub(lambda found: _ESCAPES[found[0]], text)
    if len(whole) <= limit:
        return whole
    kept: list[str] = []
    left = limit - 1
    for character in text:
        piece = _ESCAPES.get(character, character)
        left -= len(piece)
        if left < 0:
            break
        kept.append(piece)
    return "".join(kept) + "…"


def percent(text: str) -> str:
    """Percent-encode for a header value, as the CloudEvents HTTP binding says (3.1.3.2)."""
    return _PERCENT.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def rfc3339(moment: datetime) -> str:
    """Format a moment in UTC, with a fraction only where it has one."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _rfc3339(timespec: str) -> Callable[[str, Maps], Apply]:
    def apply(moment: datetime, _: EventFacts) -> str:
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"

    return _without_argument(apply)


def _without_argument(apply: Apply) -> Callable[[str, Maps], Apply]:
    def build(argument: str, _: Maps) -> Apply:
        if argument:
            raise TemplateFilterInvalid("takes no argument")
        return apply

    return build


def _with_limit(cut: Callable[[Any, int], str]) -> Callable[[str, Maps], Apply]:
    def build(argument: str, _: Maps) -> Apply:
        if not argument.isascii() or not argument.isdigit() or not 2 <= int(argument) <= 100_000:
            raise TemplateFilterInvalid("needs a number of characters, such as :150")
        limit = int(argument)
        return lambda value, _: cut(value, limit)

    return build


def _prefixed(argument: str, _: Maps) -> Apply:
    if not re.fullmatch(r"[a-z]{1,16}_", argument):
        raise TemplateFilterInvalid("needs a prefix, such as :evt_")
    already = re.compile(re.escape(argument) + r"[A-Za-z0-9]{1,60}\Z")
    return lambda text, event: text if already.match(text) else argument + event_uuid(text, event).hex


def _default(argument: str, _: Maps) -> Apply:
    if not argument:
        raise TemplateFilterInvalid("needs a value, such as :production")
    return lambda value, _: argument if value is None else value


def _map(argument: str, maps: Maps) -> Apply:
    if argument not in maps:
        raise TemplateFilterInvalid(f"names the map {argument!r}, which is not under [maps]")
    chosen = {key.lower(): value for key, value in maps[argument].items()}
    others = chosen.get(_OTHERS)
    return lambda value, _: chosen.get(as_text(value).lower(), others)


def _percent(value: Any, _: EventFacts) -> Any:
    if isinstance(value, Mapping):
        return {name: percent(item) for name, item in value.items()}
    return percent(value)


_SCALAR: Final[frozenset[Kind]] = frozenset({"text", "number", "any"})
_TIME: Final[frozenset[Kind]] = frozenset({"time"})
_TEXT: Final[frozenset[Kind]] = frozenset({"text"})

FILTERS: Final[Mapping[str, Filter]] = {
    # Moments: seconds as the documents show them, cut and not rounded, so that none lies in the future.
    "rfc3339": Filter(_TIME, "text", _without_argument(lambda moment, _: rfc3339(moment))),
    "rfc3339_s": Filter(_TIME, "text", _rfc3339("seconds")),
    "rfc3339_ms": Filter(_TIME, "text", _rfc3339("milliseconds")),
    "unix": Filter(_TIME, "number", _without_argument(lambda moment, _: int(moment.timestamp()))),
    # Ids in the shape a document shows.
    "uuid": Filter(_TEXT, "text", _without_argument(lambda text, event: str(event_uuid(text, event)))),
    "prefixed": Filter(_TEXT, "text", _prefixed),
    # Text.
    "default": Filter(_SCALAR, None, _default),
    "map": Filter(_SCALAR, "text", _map),
    "bounded": Filter(_SCALAR, "text", _with_limit(lambda value, limit: bounded(as_text(value), limit))),
    "mrkdwn": Filter(_SCALAR | {"object"}, "text", _with_limit(mrkdwn)),
    "percent": Filter(_TEXT | {"object"}, None, _without_argument(_percent)),
}
