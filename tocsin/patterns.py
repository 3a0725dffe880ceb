"""Globs over event names, as subscriptions ask for them. Pure.

A `*` stands for any run of characters, dots included; nothing else is special. Notices, which every system has besides
its documented events, are named by those alone who know of them.
"""

from __future__ import annotations

from collections.abc import Iterable


def matches(pattern: str, name: str) -> bool:
    """Return whether a glob names an event type, in time linear in the name for each part of the glob."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    if not name.startswith(first):
        return False
    *middle, last = rest
    position = len(first)
    for part in middle:
        found = name.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return len(name) - position >= len(last) and name.endswith(last)


def spells(pattern: str, notice: str) -> bool:
    """Return whether a glob names a notice: it must spell the notice's name up to its first dot.

    So `endpoint.*` does and `*` does not: a receiver that asks for everything knows the documented events only.
    """
    family = notice[: notice.index(".") + 1]
    return pattern.startswith(family) and matches(pattern, notice)


def wanted(patterns: Iterable[str], known: Iterable[str], notices: Iterable[str] = ()) -> list[str]:
    """Return those of the known event types, and of the notices, that any of the patterns names."""
    asked = tuple(patterns)
    named = [name for name in known if any(matches(pattern, name) for pattern in asked)]
    return named + [name for name in notices if any(spells(pattern, name) for pattern in asked)]
