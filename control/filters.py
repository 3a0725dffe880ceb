"""Filters as a subscription may ask for them. Pure.

They must be of the right form, and there must be events that they can tell from others: a filter by a name that no
event has would keep everything away, and its owner would wait for ever.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from control.data_paths import DeadEnd, follow
from tocsin import patterns
from tocsin.errors import FilterInvalid
from tocsin.events import ATTRIBUTES
from tocsin.filters import Comparing, Comparison, Expression, Negation, compares, data_path, parse
from tocsin.http.problems import Fault
from tocsin.wire.systems import EventType, System

_WORDS: Final[dict[Comparing, str]] = {"exact": "is", "prefix": "begins with", "suffix": "ends with"}


def faults(value: Sequence[Any], events: Iterable[str], system: System) -> Iterator[Fault]:
    """Yield what is wrong with filters.

    Args:
        value: What was asked for.
        events: The event types that the subscription asks for, globs among them.
        system: Whose events they are.
    """
    try:
        expressions = parse(value)
    except FilterInvalid as error:
        yield Fault(field=error.field[:100], reason=error.reason)
        return
    types = _asked_for(events, system)
    for place, comparison in _comparisons(expressions):
        for name, text in comparison.pairs:
            reason = _reason(comparison.dialect, name, text, types)
            if reason is not None:
                yield Fault(field=f"{place}.{name}"[:100], reason=reason)


def stored(value: Sequence[Any]) -> str | None:
    """Return filters as a subscription holds them."""
    return orjson.dumps(value).decode() if value else None


def shown(text: str | None) -> list[Any]:
    """Return what a subscription holds as it was asked for; what only a hand can have written, as it stands there."""
    try:
        value = orjson.loads(text) if text is not None else []
    except ValueError:
        return [text]
    return value if isinstance(value, list) else [value]


def _asked_for(events: Iterable[str], system: System) -> list[EventType]:
    names = patterns.wanted(events, system.event_types, system.notices)
    return [known for known in system.catalogue() if known.name in names]


def _comparisons(expressions: Sequence[Expression]) -> Iterator[tuple[str, Comparison]]:
    for index, expression in enumerate(expressions):
        yield from _walk(expression, f"filters.{index}")


def _walk(expression: Expression, field: str) -> Iterator[tuple[str, Comparison]]:
    if isinstance(expression, Comparison):
        yield f"{field}.{expression.dialect}", expression
    elif isinstance(expression, Negation):
        yield from _walk(expression.part, f"{field}.not")
    else:
        for index, part in enumerate(expression.parts):
            yield from _walk(part, f"{field}.{expression.dialect}.{index}")


def _reason(dialect: Comparing, name: str, text: str, types: Sequence[EventType]) -> str | None:
    path = data_path(name)
    if path is not None:
        return _data_reason(dialect, path, text, types)
    if name == "type":
        return _type_reason(dialect, text, [known.name for known in types])
    near = [] if name in ATTRIBUTES else difflib.get_close_matches(name, ATTRIBUTES, n=1, cutoff=0.8)
    # Any other name may be an extension's, which no schema tells of; one letter more or less is a slip.
    return (
        f"is not an attribute; did you mean {near[0]}?"
        if near and abs(len(near[0]) - len(name)) < 2
        else None
    )


def _type_reason(dialect: Comparing, text: str, names: Sequence[str]) -> str | None:
    if any(compares(dialect, name, text) for name in names):
        return None
    return f"no event type asked for {_WORDS[dialect]} {text[:100]}{_hint(text, names)}"


def _data_reason(
    dialect: Comparing, path: tuple[str, ...], text: str, types: Sequence[EventType]
) -> str | None:
    led = [follow(known.schema, path) for known in types]
    ends = [schema for each in led if not isinstance(each, DeadEnd) for schema in each]
    if not ends:
        return _nowhere(path, [each for each in led if isinstance(each, DeadEnd)])
    scalars = [schema for schema in ends if schema["type"] not in ("record", "map")]
    if not scalars:
        return "is an object; name something inside of it"
    if dialect != "exact" or any(_can_be(text, schema) for schema in scalars):
        return None
    return f"is never {text[:100]}; it is {' or '.join(dict.fromkeys(map(_values, scalars)))}"


def _nowhere(path: tuple[str, ...], ends: Sequence[DeadEnd]) -> str:
    furthest = max((end.way for end in ends), key=len, default=())
    names = {name for end in ends if end.way == furthest for name in end.names}
    way, name = ".".join(("data", *furthest)), path[len(furthest)]
    return f"no event asked for has {way}.{name}"[:200] + _hint(name, names, f"{way}.")


def _hint(text: str, known: Iterable[str], prefix: str = "") -> str:
    near = difflib.get_close_matches(text, known, n=1)
    return f"; did you mean {prefix}{near[0]}?" if near else ""


def _can_be(text: str, schema: Any) -> bool:
    """Whether a value of a schema may have a text in JSON."""
    kind = schema["type"]
    if "logicalType" in schema or kind == "string":
        return True
    if kind == "enum":
        return text in schema["symbols"]
    try:
        value = orjson.loads(text)
    except ValueError:
        return False
    found = {"boolean": bool, "int": int, "long": int}.get(kind, float)
    return type(value) is found and orjson.dumps(value).decode() == text


def _values(schema: Any) -> str:
    kind = schema["type"]
    if kind == "enum":
        return ", ".join(schema["symbols"])
    return {"boolean": "true or false", "int": "a whole number", "long": "a whole number"}.get(
        kind, "a number with a point, such as 0.5"
    )
