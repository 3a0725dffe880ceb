"""What a Prometheus query asks for, as far as a test has to know: metrics, the labels it selects by, the labels it keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_LABELS_KEPT = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_RANGE_OR_NUMBER = re.compile(r"\[[^\]]*\]|\boffset\s+[$\w]+|\b[0-9][0-9a-z.]*")
_ASKED = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\}|\(|)")
_MATCHER = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)")
_WORDS = frozenset({"and", "or", "unless", "by", "without", "on", "ignoring", "bool", "offset"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One metric in a query.

    Attributes:
        series: Its name, with `_bucket` and the like.
        labels: What it is selected by.
    """

    series: str
    labels: frozenset[str]


def asked(query: str) -> list[Asked]:
    """Return every metric of a query."""
    return list(_asked(_RANGE_OR_NUMBER.sub("", _LABELS_KEPT.sub("", _STRING.sub('""', query)))))


def kept(query: str) -> set[str]:
    """Return every label that the query groups or matches by."""
    lists = _LABELS_KEPT.findall(_STRING.sub('""', query))
    return {label.strip() for text in lists for label in text.split(",") if label.strip()}


def _asked(query: str) -> Iterator[Asked]:
    for name, then in _ASKED.findall(query):
        if name not in _WORDS and then != "(":
            yield Asked(name, frozenset(_MATCHER.findall(then)))
