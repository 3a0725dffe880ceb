"""A delivery as its owner sees it: what was sent, what came back, what follows. Pure.

Of a request only those headers are shown that the wire format brings: all others are the owner's own, and their values
may be secrets.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from control.representation import rfc3339
from tocsin import tiers
from tocsin.wire.disclosure import HIDDEN
from tocsin.wire.formats import WireFormat

BODY_MAX_BYTES: Final = 65_536
LATEST_MS: Final = 253_402_300_799_999
"""The end of the year 9999."""

_ANSWER_SECRETS: Final = frozenset({"set-cookie", "authorization", "proxy-authorization"})

Fields = Mapping[str, Any]
"""A row of the store: column to value."""


def item(row: Fields) -> dict[str, Any]:
    """Return a delivery as a listing shows it."""
    return {
        "id": row["delivery_id"],
        "webhook_id": row["subscription_id"],
        "event_id": row["event_id"],
        "event_type": row["event_type"],
        "status": row["status"],
        "attempts": row["attempts"],
        "last_status": row["last_status"],
        "last_error": row["last_error"],
        "reason": row["reason"],
        "fault": row["fault"],
        "created_at": moment(row["created_at"]),
        "decided_at": moment(row["decided_at"]),
        "next_at": moment(row["next_at"]),
        "test": row["test"],
    }


def detail(
    row: Fields, tries: Sequence[Fields], *, url: str | None, wire: WireFormat | None, truncated: bool
) -> dict[str, Any]:
    """Return a delivery with its request and its tries.

    Args:
        row: The delivery.
        tries: Its attempts, oldest first.
        url: Where its webhook is now, as it may be shown; None if that is not known.
        wire: Its wire format; None if there is no such any more.
        truncated: Whether there are more tries.
    """
    ours = brought(row["headers"] or (), wire)
    sent_to = next((each["url"] for each in reversed(tries) if each["url"]), url)
    return {
        **item(row),
        "system": row["system"],
        "format": row["format"],
        "event_source": row["event_source"],
        "event_time": moment(row["event_time"]),
        "request": _request(row, sent_to),
        "timeline": [_try(each, ours) for each in tries],
        "timeline_truncated": truncated,
    }


def brought(rendered: Collection[Sequence[str]], wire: WireFormat | None) -> Callable[[str], bool]:
    """Return whether a request header, by its name in lower case, is brought by the wire format.

    Args:
        rendered: Name and value of those that were rendered with the body.
        wire: The format.
    """
    names = {"content-type", *(name.lower() for name, _ in rendered)}
    prefixes: tuple[str, ...] = ()
    if wire is not None:
        names |= {each.name.lower() for each in wire.headers if not each.spread}
        names |= {name.lower() for name in wire.signature.header_names()}
        prefixes = tuple(each.name.lower() for each in wire.headers if each.spread)
    return lambda name: name in names or (bool(prefixes) and name.startswith(prefixes))


def text_or_base64(data: bytes | None, name: str) -> dict[str, str | None]:
    """Return bytes as JSON can hold them: as text, or in base64 where they are none."""
    if data is None:
        return {name: None, f"{name}_base64": None}
    try:
        return {name: data.decode(), f"{name}_base64": None}
    except UnicodeDecodeError:
        return {name: None, f"{name}_base64": base64.b64encode(data).decode()}


def _request(row: Fields, url: str | None) -> dict[str, Any]:
    body: bytes | None = row["body"]
    return {
        "url": url,
        "content_type": row["content_type"],
        "headers": dict(row["headers"] or ()),
        **text_or_base64(cut(body), "body"),
        "body_truncated": body is not None and len(body) > BODY_MAX_BYTES,
    }


def cut(body: bytes | None) -> bytes | None:
    """Return as much of bytes as is shown."""
    if body is None or len(body) <= BODY_MAX_BYTES:
        return body
    # A character that the cut goes through would make text unreadable as text.
    end = BODY_MAX_BYTES
    while end > BODY_MAX_BYTES - 3 and body[end] & 0xC0 == 0x80:
        end -= 1
    return body[:end]


def _try(each: Fields, ours: Callable[[str], bool]) -> dict[str, Any]:
    sent = {name: value if ours(name.lower()) else HIDDEN for name, value in each["request_headers"].items()}
    answered = {
        name: HIDDEN if name.lower() in _ANSWER_SECRETS else value
        for name, value in each["response_headers"].items()
    }
    return {
        "run": each["run"],
        "step": each["step"],
        "attempt": each["attempt"],
        "verdict": each["verdict"],
        "reason": each["reason"],
        "fault": each["fault"],
        "started_at": moment(each["started_at"]),
        "duration_ms": each["duration_ms"],
        "posted": each["posted"],
        "url": each["url"],
        "status": each["status"],
        "error": each["error"],
        "request_headers": sent,
        "response_headers": answered,
        **text_or_base64(each["response_body"], "response_body"),
        "next_tier": each["next_tier"],
        "next_at": moment(_next_at(each)),
    }


def _next_at(each: Fields) -> int | None:
    tier_s = tiers.TIERS.get(each["next_tier"] or "")
    if tier_s is None:
        return None
    ended: int = each["started_at"] + round(each["duration_ms"])
    return ended + 1000 * (tier_s + int(each["remaining_s"]))


def moment(time_ms: int | None) -> str | None:
    """Return a time as text; one that came from a record may be beyond what text can say, and is clipped."""
    return None if time_ms is None else rfc3339(min(max(time_ms, 0), LATEST_MS), "milliseconds")
