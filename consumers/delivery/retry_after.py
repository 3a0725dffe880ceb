"""The `Retry-After` header: how long an endpoint asks us to wait (RFC 9110, 10.2.3)."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Final

CAP_S: Final = 86_400
"""No endpoint can put its deliveries off for longer than a day."""

_SECONDS = re.compile(r"[0-9]{1,64}")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATES: Final = tuple(
    re.compile(form)
    for form in (
        r"[A-Z][a-z]{2}, (?P<d>\d\d) (?P<m>[A-Z][a-z]{2}) (?P<y>\d{4}) (?P<t>\d\d:\d\d:\d\d) GMT",
        r"[A-Z][a-z]{5,8}, (?P<d>\d\d)-(?P<m>[A-Z][a-z]{2})-(?P<y>\d\d) (?P<t>\d\d:\d\d:\d\d) GMT",
        r"[A-Z][a-z]{2} (?P<m>[A-Z][a-z]{2}) (?P<d>[ \d]\d) (?P<t>\d\d:\d\d:\d\d) (?P<y>\d{4})",
    )
)
"""IMF-fixdate, RFC 850 and asctime: the three forms of an HTTP-date (RFC 9110, 5.6.7)."""


def parse_retry_after(value: str | None, now: float) -> int | None:
    """Read a `Retry-After` header.

    Args:
        value: The header's value, or None when there is none.
        now: Seconds since the epoch.

    Returns:
        Seconds to wait at least, at most `CAP_S`; None for garbage, a negative number or a date in the past:
        then the normal schedule holds.
    """
    text = (value or "").strip(" \t")
    if not text.isascii():
        return None
    if _SECONDS.fullmatch(text):
        return min(int(text), CAP_S)
    date = _http_date(text, now)
    if date is None or date < now:
        return None
    return min(math.ceil(date - now), CAP_S)


def _http_date(text: str, now: float) -> float | None:
    match = next((found for form in _DATES if (found := form.fullmatch(text))), None)
    if match is None or match["m"] not in _MONTHS:
        return None
    hour, minute, second = (int(part) for part in match["t"].split(":"))
    leap = second == 60
    try:
        moment = datetime(
            _year(match["y"], now),
            _MONTHS.index(match["m"]) + 1,
            int(match["d"]),
            hour,
            minute,
            second - leap,
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return moment.timestamp() + leap


def _year(text: str, now: float) -> int:
    """Return the year; one of two digits that seems more than 50 years ahead is in the past (RFC 9110, 5.6.7)."""
    if len(text) == 4:
        return int(text)
    this_year = datetime.fromtimestamp(now, UTC).year
    year = this_year - this_year % 100 + int(text)
    return year - 100 if year > this_year + 50 else year
