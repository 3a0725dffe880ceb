"""Conditional requests (RFC 9110, 13): a version is an entity tag, `If-Match` names the one a change was made for. Pure."""

from __future__ import annotations

import re
from typing import Final

from tocsin.http.problems import Problem

_TAGS: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')


def etag(version: int) -> str:
    """Return the entity tag of a version."""
    return f'"{version}"'


def require(if_match: str | None, version: int) -> None:
    """Let a request pass that is meant for this version, or for any.

    Args:
        if_match: The value of `If-Match`, or None.
        version: What there is now.

    Raises:
        Problem: 412, it is meant for another version.
    """
    # A weak tag never fits: it would say that something like this version is enough.
    if if_match is None or if_match.strip() == "*" or etag(version) in _TAGS.findall(if_match):
        return
    raise stale()


def stale() -> Problem:
    """Return the answer to a change of what has changed meanwhile."""
    return Problem(412, "stale", "the webhook has changed meanwhile: read it again, then change it")
