"""A page of what is read backwards: the newest first, cut at a place that never changes. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from control import cursor
from control.newest import Place

T = TypeVar("T")

Spot = tuple[int, int]
"""A partition, and an offset in it."""

LOOKED_MAX: Final = 10_000
"""How many records a page looks at, found or not."""
SPOT: Final = "[0-9]{1,9}-[0-9]{1,15}"
"""A spot as text."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows, and behind which place the next page begins; None on the last."""

    rows: list[T]
    next: Place | None


def cut(
    found: Iterable[tuple[Place, T | None]],
    wanted: Callable[[T], bool],
    *,
    limit: int,
    since_ms: int = 0,
    looked_max: int = LOOKED_MAX,
) -> Page[T]:
    """Return a page.

    Args:
        found: Records with their places, the newest first; None for one that is nobody's business here.
        wanted: Whether a record belongs on it.
        limit: How many it has at most.
        since_ms: Records of an earlier time are not looked at.
    """
    rows: list[T] = []
    last: Place | None = None
    for looked, (place, record) in enumerate(found):
        if place.timestamp_ms < since_ms:
            break
        if len(rows) == limit or looked == looked_max:
            return Page(rows, last)
        last = place
        if record is not None and wanted(record):
            rows.append(record)
    return Page(rows, None)


def after(organization: str, listing: str, given: str | None) -> Place | None:
    """Return the place that a request's `after` names; None if it names none.

    Raises:
        Problem: 400, it is no cursor of this organization's in this listing.
    """
    position = cursor.required(organization, listing, given)
    if position is None:
        return None
    found = spot(position[1])
    if found is None:
        raise cursor.invalid()
    return Place(position[0], *found)


def told(organization: str, listing: str, place: Place | None) -> str | None:
    """Return a place as the `next` of a page."""
    if place is None:
        return None
    return cursor.encode(organization, listing, (place.timestamp_ms, f"{place.partition}-{place.offset}"))


def spot(text: str) -> Spot | None:
    """Return the spot that a text names, or None if it names none."""
    if re.fullmatch(SPOT, text, re.ASCII) is None:
        return None
    partition, _, offset = text.partition("-")
    return int(partition), int(offset)
