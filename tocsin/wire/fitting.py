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
}
_BITS: Final = {"int": 31, "long": 63}


def compile_check(schema: Mapping[str, Any]) -> Callable[[Any], None]:
    """Compile a record schema into a function that raises `EventInvalid` for data that does not fit.

    Args:
        schema: Of types that `payload.compile_payload` accepts.
    """
    check = _check(schema, {})
    return lambda data: check(data, "data")


def _check(schema: Any, named: dict[str, Check]) -> Check:
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
        named[schema["name"]] = _enum(schema["symbols"])
        return named[schema["name"]]
    scalars: dict[str, Check] = {
        "null": _null,
        "boolean": _boolean,
        "float": _number,
        "double": _number,
        "string": _string,
    }
    return scalars.get(kind) or named[kind.rpartition(".")[2]]


def _record(schema: Mapping[str, Any], named: dict[str, Check]) -> Check:
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

    named[schema["name"]] = check
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


def _union(branches: list[Any], named: dict[str, Check]) -> Check:
    checks = [_check(branch, named) for branch in branches]
    given = [check for check, branch in zip(checks, branches, strict=True) if branch != "null"]
    kinds = list(dict.fromkeys(_SHOWN.get(_kind(branch), "an object") for branch in branches))
    expected = ", ".join(kinds[:-1]) + f" or {kinds[-1]}"

    def check(value: Any, path: str) -> None:
        if value is None and "null" in branches:
            return
        deeper = None
        for branch in given:
            try:
                branch(value, path)
            except EventInvalid as error:
                # What a branch says about a field inside is worth more than that it is not that branch.
                deeper = error if deeper is None or len(error.field) > len(deeper.field) else deeper
            else:
                return
        if deeper is not None and (len(given) == 1 or deeper.field != path):
            raise deeper
        raise EventInvalid(path, f"must be {expected}, not {_found(value)}")

    return check


def _kind(branch: Any) -> str:
    return str(branch["type"] if isinstance(branch, Mapping) else branch)


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
