"""Moments and durations as people type them, and as they are shown to them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from tocsin.cli.failure import usage

_UNITS_S: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+\Z")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")


def duration_s(text: str) -> float:
    """Return a duration such as `500ms`, `10m` or `1h30m` in seconds.

    Raises:
        ValueError: The text is none.
    """
    if not _DURATION.match(text):
        raise ValueError(f"{text!r} is no duration; write 30s, 10m, 2h or 3d")
    return sum(float(amount) * _UNITS_S[unit] for amount, unit in _PART.findall(text))


def moment_ms(text: str, now_ms: int) -> int:
    """Return a moment in milliseconds since the epoch.

    Args:
        text: How long ago (`10m`, `2h`, `3d`), or RFC 3339 (`2026-11-21T09:00:00Z`); without a zone it is UTC.
        now_ms: What "ago" counts from.

    Raises:
        ValueError: The text is neither.
    """
    try:
        return max(now_ms - round(duration_s(text) * 1000), 0)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time; write 10m, 2h or 3d for ago, or 2026-11-21T09:00:00Z"
        ) from None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def rfc3339(at_ms: int) -> str:
    """Return a moment for machines: RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(at_ms: int, now_ms: int) -> str:
    """Return a moment for people, in local time: the time of day, with the date unless it is today's."""
    moment, today = (datetime.fromtimestamp(ms / 1000).astimezone() for ms in (at_ms, now_ms))
    return moment.strftime("%H:%M:%S" if moment.date() == today.date() else "%Y-%m-%d %H:%M:%S")


def span(seconds: float) -> str:
    """Return a duration for people, in its two largest units: `45s`, `3m 20s`, `2h 5m`, `4d 1h`."""
    left, parts = max(round(seconds), 0), []
    for unit in ("d", "h", "m", "s"):
        amount, left = divmod(left, int(_UNITS_S[unit]))
        if amount:
            parts.append(f"{amount}{unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0s"


def duration_text(duration_ms: float) -> str:
    """Return how long a request took, for people: `3.2 ms`, `840 ms`, `12.5 s`."""
    if duration_ms >= 10_000:
        return f"{duration_ms / 1000:.1f} s"
    return f"{duration_ms:.0f} ms" if duration_ms >= 100 else f"{duration_ms:.1f} ms"


def option_ms(option: str, text: str, now_ms: int) -> int:
    """Return the moment an option names; a usage failure naming the option if it names none."""
    try:
        return moment_ms(text, now_ms)
    except ValueError as error:
        raise usage(f"{option}: {error}") from None
