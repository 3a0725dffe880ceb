"""Event names and globs as a subscription may ask for them. Pure.

A pattern must name at least one event type, or its owner would wait for ever.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import Final

from tocsin.patterns import matches, spells

STARS_MAX: Final = 3
"""Few enough that no way of matching a pattern is expensive."""

_SHAPE = re.compile(r"[A-Za-z0-9_.*-]{1,200}")


def fault(pattern: str, known: Collection[str], notices: Collection[str] = ()) -> str | None:
    """Return why a pattern cannot be subscribed to, or None if it can.

    Args:
        pattern: An event type's name, or a glob.
        known: Names of the system's event types.
        notices: Names of its notices.
    """
    if pattern in known or pattern in notices:
        return None
    if not _SHAPE.fullmatch(pattern):
        return "is not the name of an event type"
    if "*" not in pattern:
        near = difflib.get_close_matches(pattern, [*known, *notices], n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
        return f"{pattern} is not an event type; {hint}"
    if pattern.count("*") > STARS_MAX or "**" in pattern:
        return f"{pattern} has two * in a row, or more than {STARS_MAX}"
    named = any(matches(pattern, name) for name in known) or any(spells(pattern, name) for name in notices)
    if not named:
        return f"{pattern} matches no event type; there are {', '.join(sorted(known))}"
    return None
