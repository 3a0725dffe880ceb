"""Filters: which of the events that a subscription asks for it gets. Pure.

The dialects that everybody who speaks the CloudEvents Subscriptions API has (its spec, 3.2.4.1.1), as JSON; every
expression of a list must hold, so an empty one lets everything through:

    [{"prefix": {"type": "drift."}}, {"not": {"exact": {"data.risk_level": "LOW"}}}]

    exact, prefix, suffix   {name: text, …}, every pair of which must compare; upper and lower case differ
    all, any                [expression, …]
    not                     expression

A name is an attribute (`type`, `subject`, `time`, an extension's), or `data.` and a path: fields of records and keys
of maps, joined by dots. Where a path meets an array, one element that compares is enough.

What is compared is the text that a receiver reads in a JSON body: strings and enums without their quotes; numbers as
they stand there, `85` of an integer and `85.0` of a double; `true` and `false`; a logical type as the string it becomes.
Null, what is absent, and objects compare with nothing: `exact` of them is false, so `not` of that is true.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

import orjson

from tocsin import events
from tocsin.errors import FilterInvalid
from tocsin.events import Event

Comparing = Literal["exact", "prefix", "suffix"]
Combining = Literal["all", "any"]
Predicate = Callable[[Event, Mapping[str, Any]], bool]
"""Whether an event with its decoded data passes; never raises."""

DIALECTS: Final = (*get_args(Comparing), *get_args(Combining), "not")
DEPTH_MAX: Final = 8
NODES_MAX: Final = 64
"""Expressions and pairs in all: every event that the subscription may want pays for each."""
TEXT_MAX: Final = 500

_PATH: Final = re.compile(r"data((?:\.[^.]+)+)", re.DOTALL)
_HALF_A_PAIR: Final = re.compile(r"[\ud800-\udfff]")
_TESTS: Final[Mapping[Comparing, Callable[[str, str], bool]]] = {
    "exact": operator.eq,
    "prefix": str.startswith,
    "suffix": str.endswith,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every pair of a name and a text compares."""

    dialect: Comparing
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """All parts hold, or any does; there is at least one."""

    dialect: Combining
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """The part does not hold."""

    part: Expression


Expression = Comparison | Combination | Negation


def parse(value: object) -> tuple[Expression, ...]:
    """Read a list of expressions from what JSON was decoded to.

    Raises:
        FilterInvalid: It is none; the error names the place, such as `filters.0.any.1`.
    """
    if not isinstance(value, list):
        raise FilterInvalid("filters", "is not an array")
    parser = _Parser()
    return tuple(parser.expression(each, f"filters.{index}", 1) for index, each in enumerate(value))


def predicate(text: str) -> Predicate:
    """Compile what a subscription holds: a list of expressions as JSON text.

    Raises:
        FilterInvalid: It is none, which only a hand can have written there.
    """
    try:
        value = orjson.loads(text)
    except ValueError as error:
        raise FilterInvalid("filters", "is not JSON") from error
    return compile_filters(parse(value))


def compile_filters(expressions: Sequence[Expression]) -> Predicate:
    """Return the predicate that all expressions together are."""
    return _all([_compile(each) for each in expressions])


def compares(dialect: Comparing, found: str, wanted: str) -> bool:
    """Return whether a text that was found is, begins or ends with the one that is wanted."""
    return _TESTS[dialect](found, wanted)


def data_path(name: str) -> tuple[str, ...] | None:
    """Return the path that a name leads along in an event's data; None for the name of an attribute."""
    found = _PATH.fullmatch(name)
    return tuple(found[1][1:].split(".")) if found else None


def texts(value: object, path: Sequence[str]) -> Iterator[str]:
    """Yield the texts that a path leads to: none where nothing is, several where it meets an array."""
    if isinstance(value, list):
        for element in value:
            yield from texts(element, path)
    elif not path:
        text = _text(value)
        if text is not None:
            yield text
    elif isinstance(value, Mapping) and path[0] in value:
        yield from texts(value[path[0]], path[1:])


class _Parser:
    """Reads expressions, and counts what they are made of."""

    def __init__(self) -> None:
        self._nodes = 0

    def expression(self, value: object, field: str, depth: int) -> Expression:
        self._count(field)
        if depth > DEPTH_MAX:
            raise FilterInvalid(field, f"is nested deeper than {DEPTH_MAX} expressions")
        dialect, content = _only_entry(value, field)
        inside = f"{field}.{dialect}"
        if dialect == "not":
            return Negation(self.expression(content, inside, depth + 1))
        if dialect in get_args(Combining):
            return Combination(cast(Combining, dialect), tuple(self._parts(content, inside, depth + 1)))
        return Comparison(cast(Comparing, dialect), tuple(self._pairs(content, inside)))

    def _parts(self, value: object, field: str, depth: int) -> Iterator[Expression]:
        if not isinstance(value, list) or not value:
            raise FilterInvalid(field, "is not an array of one or more expressions")
        for index, each in enumerate(value):
            yield self.expression(each, f"{field}.{index}", depth)

    def _pairs(self, value: object, field: str) -> Iterator[tuple[str, str]]:
        if not isinstance(value, dict) or not value:
            raise FilterInvalid(field, "is not an object of one or more names, each with a text")
        for name, text in value.items():
            self._count(field)
            yield _checked_name(name, field), _checked_text(text, f"{field}.{name}")

    def _count(self, field: str) -> None:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise FilterInvalid(field, f"is one too many: at most {NODES_MAX} expressions and names in all")


def _only_entry(value: object, field: str) -> tuple[str, object]:
    if not isinstance(value, dict) or len(value) != 1:
        raise FilterInvalid(field, f"is not an object with one dialect: {', '.join(DIALECTS)}")
    ((dialect, content),) = value.items()
    if dialect not in DIALECTS:
        raise FilterInvalid(field, f"{str(dialect)[:100]} is not a dialect; there are {', '.join(DIALECTS)}")
    return dialect, content


def _checked_name(name: str, field: str) -> str:
    if len(name) > TEXT_MAX:
        raise FilterInvalid(field, f"has a name that is longer than {TEXT_MAX} characters")
    if not events.is_attribute(name) and data_path(name) is None:
        raise FilterInvalid(field, f"{name[:100]!r} is not the name of an attribute, nor data. and a path")
    if _HALF_A_PAIR.search(name):
        raise FilterInvalid(field, "has a name with half a surrogate pair, which is no text")
    return name


def _checked_text(text: object, field: str) -> str:
    if not isinstance(text, str):
        form = f': write it as text, "{_text(text)}"' if isinstance(text, bool | int | float) else ""
        raise FilterInvalid(field, f"is not a string{form}")
    if not text:
        raise FilterInvalid(field, "is empty")
    if len(text) > TEXT_MAX:
        raise FilterInvalid(field, f"is longer than {TEXT_MAX} characters")
    if _HALF_A_PAIR.search(text):
        raise FilterInvalid(field, "holds half a surrogate pair, which is no text")
    return text


def _compile(expression: Expression) -> Predicate:
    if isinstance(expression, Comparison):
        return _all([_compare(expression.dialect, name, text) for name, text in expression.pairs])
    if isinstance(expression, Negation):
        inner = _compile(expression.part)
        return lambda event, data: not inner(event, data)
    parts = [_compile(part) for part in expression.parts]
    return _all(parts) if expression.dialect == "all" else _any(parts)


def _all(parts: Sequence[Predicate]) -> Predicate:
    if len(parts) == 1:
        return parts[0]
    return lambda event, data: all(part(event, data) for part in parts)


def _any(parts: Sequence[Predicate]) -> Predicate:
    return lambda event, data: any(part(event, data) for part in parts)


def _compare(dialect: Comparing, name: str, wanted: str) -> Predicate:
    test, path = _TESTS[dialect], data_path(name)

    def attribute(event: Event, _: Mapping[str, Any]) -> bool:
        found = events.attribute(event, name)
        return found is not None and test(found, wanted)

    def data(_: Event, data: Mapping[str, Any]) -> bool:
        return any(test(found, wanted) for found in texts(data, path or ()))

    return attribute if path is None else data


def _text(value: object) -> str | None:
    """Return a value as the text it is in JSON, a string without its quotes; None for null and for what is no text."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Mapping):
        return None
    try:
        written = orjson.dumps(value)
    except TypeError:
        return None
    return str(orjson.loads(written)) if written.startswith(b'"') else written.decode()
