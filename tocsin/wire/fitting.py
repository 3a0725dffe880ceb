"""Whether data fits an event type's schema, and if not, which field and why. Compiled once per schema.

Stricter than Avro's writer, which drops fields it does not know: a misspelt optional field would be lost in silence.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tocsin.errors import EventInvalid

Check = Callable[[Any, str], None]
Named = dict[str, tuple[str, Check]]
"""Types that have been given a name so far: what they are, and their check."""

_SHOWN: Final = {
    "null": "null",
    "boolean": "true or false",
    "int": "a whole number",
    "long": "a whole number",
    "float": "a number",
    "double": "a number",
    "string": "a string",
    "array": "a list",
    "map": "an object",
    "record": "an object",
    "enum": "a string",
}
# Which Python type a branch of a union takes: `payload` refuses unions in which that is not certain.
_TAKEN: Final[Mapping[str, type]] = {
    "null": type(None),
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
    "enum": str,
    "array": list,
    "map": dict,
    "record": dict,
}
_BITS: Final = {"int": 31, "long": 63}


def compile_check(schema: Mapping[str, Any]) -> Callable[[Any], None]:
    """Compile a record schema into a function that raises `EventInvalid` for data that does not fit.

    Args:
        schema: Of types that `payload.compile_payload` accepts.
    """
    check = _check(schema, {})
    return lambda data: check(data, "data")


def _check(schema: Any, named: Named) -> Check:
    if isinstance(schema, list):
        return _union(schema, named)
    kind = schema["type"] if isinstance(schema, Mapping) else schema
    if isinstance(kind, Mapping | list):
        return _check(kind, named)
    if kind in _BITS:
        return _whole(kind)
    if kind == "record":
        return _record(schema, named)
    if kind == "array":
        return _array(_check(schema["items"], named))
    if kind == "map":
        return _map(_check(schema["values"], named))
    if kind == "enum":
        check = _enum(schema["symbols"])
        named[schema["name"]] = ("enum", check)
        return check
    scalars: dict[str, Check] = {
        "null": _null,
        "boolean": _boolean,
        "float": _number,
        "double": _number,
        "string": _string,
    }
    return scalars.get(kind) or named[kind.rpartition(".")[2]][1]


def _record(schema: Mapping[str, Any], named: Named) -> Check:
    checks: dict[str, Check] = {}
    required: list[str] = []

    def check(value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise _wrong(path, "record", value)
        for name in required:
            if name not in value:
                raise EventInvalid(f"{path}.{name}", "is required")
        for name, item in value.items():
            known = checks.get(name)
            if known is None:
                raise EventInvalid(f"{path}.{name}", "is no field of this event" + _near(name, checks))
            known(item, f"{path}.{name}")

    named[schema["name"]] = ("record", check)
    for field in schema["fields"]:
        checks[field["name"]] = _check(field["type"], named)
        if "default" not in field:
            required.append(field["name"])
    return check


def _array(inner: Check) -> Check:
    def check(value: Any, path: str) -> None:
        # A tuple means something else to Avro's writer: the name of a union's branch and its value.
        if not isinstance(value, list):
            raise _wrong(path, "array", value)
        for index, item in enumerate(value):
            inner(item, f"{path}.{index}")

    return check


def _map(inner: Check) -> Check:
    def check(value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise _wrong(path, "map", value)
        for name, item in value.items():
            _string(name, path)
            inner(item, f"{path}.{name}")

    return check


def _union(branches: list[Any], named: Named) -> Check:
    checks = {_kind(branch, named): _check(branch, named) for branch in branches}
    wanted = [kind for kind in checks if kind != "null"]
    if len(wanted) == 1 and "null" in checks:
        return _optional(checks[wanted[0]])
    by_type = {_TAKEN[kind]: check for kind, check in checks.items()}
    # A number may be written whole.
    by_type.setdefault(int, by_type.get(float, _never))
    shown = list(dict.fromkeys(_SHOWN[kind] for kind in checks))
    expected = ", ".join(shown[:-1]) + f" or {shown[-1]}" if len(shown) > 1 else shown[0]

    def check(value: Any, path: str) -> None:
        branch = by_type.get(dict if isinstance(value, Mapping) else type(value), _never)
        if branch is _never:
            raise EventInvalid(path, f"must be {expected}, not {_found(value)}")
        branch(value, path)

    return check


def _optional(inner: Check) -> Check:
    def check(value: Any, path: str) -> None:
        if value is not None:
            inner(value, path)

    return check


def _never(value: Any, path: str) -> None:
    raise AssertionError("stands for a branch that a union has not")


def _kind(branch: Any, named: Named) -> str:
    kind = branch["type"] if isinstance(branch, Mapping) else branch
    return str(kind) if kind in _SHOWN else named[kind.rpartition(".")[2]][0]


def _whole(kind: str) -> Check:
    limit = 1 << _BITS[kind]

    def check(value: Any, path: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong(path, kind, value)
        if not -limit <= value < limit:
            raise EventInvalid(path, f"must lie between -{limit} and {limit - 1}")

    return check


def _number(value: Any, path: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong(path, "double", value)
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise EventInvalid(path, "must be a finite number: JSON has no other")


def _string(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise _wrong(path, "string", value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise EventInvalid(path, "holds half a surrogate pair, which is no text") from error


def _boolean(value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise _wrong(path, "boolean", value)


def _null(value: Any, path: str) -> None:
    if value is not None:
        raise _wrong(path, "null", value)


def _enum(symbols: list[str]) -> Check:
    def check(value: Any, path: str) -> None:
        if value not in symbols:
            raise EventInvalid(path, f"must be one of {', '.join(symbols)}")

    return check


def _wrong(path: str, kind: str, value: Any) -> EventInvalid:
    return EventInvalid(path, f"must be {_SHOWN[kind]}, not {_found(value)}")


def _found(value: Any) -> str:
    names: dict[type, str] = {
        type(None): "null",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)


def _near(name: Any, fields: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), fields, n=1)
    return f"; did you mean {near[0]}?" if near else ""
