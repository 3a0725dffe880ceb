"""Globs over event names, as subscriptions ask for them. Pure.

A `*` stands for any run of characters, dots included; nothing else is special.
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


def wanted(patterns: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return those of the known event types that any of the patterns names."""
    asked = tuple(patterns)
    return [name for name in known if any(matches(pattern, name) for pattern in asked)]
