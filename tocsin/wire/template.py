"""The template language of wire formats: a body and headers as data, compiled once into plain functions.

Text in a template may hold expressions, `${names|filter|filter:argument}`:

    "${event.data}"                        alone: the value, with its type
    "wh_${delivery.hex}"                   with other text: interpolated
    "${event.data.title,event.type}"       the first of several that has a value
    "..." = "${event.data}"                as a key of an object: its fields, in place (a flat payload)
    "ce-..." = "${event.attributes}"       as a header: one header per attribute

Names: `event.id`, `.source`, `.type`, `.time`, `.organization`, `.subject`, `.system`; `event.data` and its fields,
`event.data.results.critical`; `event.attributes` and its entries; `delivery.id` (UUID), `.hex` (32 digits), `.number`
(53 bits: exact in every JSON reader); `subscription.id`. Filters: `tocsin.wire.template_filters`.

What has no value is left out of its object. Everything else in a template stands for itself. A name, a filter or a
combination of kinds that can't work is refused when the template is read, never when an event is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.errors import RenderError
from tocsin.wire.facts import DeliveryFacts, EventFacts
from tocsin.wire.template_filters import FILTERS, Kind, Maps, TemplateFilterInvalid, as_text

Getter = Callable[[EventFacts, Mapping[str, Any], DeliveryFacts], Any]

SPREAD: Final = "..."
_EXPRESSION: Final = re.compile(r"\$\{([^{}]*)\}")
_PATH: Final = re.compile(r"[a-z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*\Z")
_NUMBER_BITS: Final = (1 << 53) - 1


class TemplateInvalid(ValueError):
    """A template can never work.

    Args:
        key: Dotted place inside the template.
        reason: What is wrong.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key, self.reason = key, reason


@dataclass(frozen=True, slots=True)
class Compiled:
    """A piece of a template, ready.

    Attributes:
        get: Returns its value.
        kind: What the value is.
        uses_delivery: Whether it differs between deliveries of one event.
        constant: Whether it is the same for every event.
    """

    get: Getter
    kind: Kind
    uses_delivery: bool = False
    constant: bool = False


_NAMES: Final[Mapping[str, Compiled]] = {
    "event.id": Compiled(lambda event, data, delivery: event.id, "text"),
    "event.source": Compiled(lambda event, data, delivery: event.source, "text"),
    "event.type": Compiled(lambda event, data, delivery: event.type, "text"),
    "event.time": Compiled(lambda event, data, delivery: event.time, "time"),
    "event.organization": Compiled(lambda event, data, delivery: event.organization, "text"),
    "event.subject": Compiled(lambda event, data, delivery: event.subject, "text"),
    "event.system": Compiled(lambda event, data, delivery: event.system, "text"),
    "event.data": Compiled(lambda event, data, delivery: data, "object"),
    "event.attributes": Compiled(lambda event, data, delivery: event.attributes, "object"),
    "delivery.id": Compiled(lambda event, data, delivery: str(delivery.id), "text", uses_delivery=True),
    "delivery.hex": Compiled(lambda event, data, delivery: delivery.id.hex, "text", uses_delivery=True),
    "delivery.number": Compiled(
        lambda event, data, delivery: delivery.id.int & _NUMBER_BITS, "number", uses_delivery=True
    ),
    "subscription.id": Compiled(
        lambda event, data, delivery: delivery.subscription_id, "text", uses_delivery=True
    ),
}


def compile_value(node: Any, key: str, maps: Maps) -> Compiled:
    """Compile a template value.

    Args:
        node: What TOML gave: text, number, boolean, list or table.
        key: Its dotted place, for messages.
        maps: The format's `[maps]`.

    Raises:
        TemplateInvalid: It can never work.
    """
    if isinstance(node, str):
        return _text(node, key, maps)
    if isinstance(node, Mapping):
        return _object(node, key, maps)
    if isinstance(node, list):
        return _list(node, key, maps)
    if isinstance(node, bool | int | float):
        return Compiled(lambda event, data, delivery: node, "any", constant=True)
    raise TemplateInvalid(key, f"{type(node).__name__} has no place in a template")


def _text(text: str, key: str, maps: Maps) -> Compiled:
    pieces = _EXPRESSION.split(text)
    literals, expressions = pieces[0::2], pieces[1::2]
    if any("${" in literal for literal in literals):
        raise TemplateInvalid(key, "'${' without its '}'")
    if not expressions:
        return Compiled(lambda event, data, delivery: text, "text", constant=True)
    compiled = [_expression(expression, key, maps) for expression in expressions]
    if len(compiled) == 1 and literals == ["", ""]:
        return _finished(compiled[0], key)
    return _interpolation(literals, [_embeddable(part, key) for part in compiled], expressions)


def _finished(part: Compiled, key: str) -> Compiled:
    if part.kind == "time":
        raise TemplateInvalid(key, "a moment needs a filter that makes it text, such as |rfc3339")
    return part


def _embeddable(part: Compiled, key: str) -> Compiled:
    if part.kind == "object":
        raise TemplateInvalid(key, "an object can't stand inside other text")
    return _finished(part, key)


def _interpolation(literals: list[str], parts: list[Compiled], expressions: list[str]) -> Compiled:
    first, following = literals[0], list(zip(parts, literals[1:], expressions, strict=True))

    def get(event: EventFacts, data: Mapping[str, Any], delivery: DeliveryFacts) -> str:
        out = [first]
        for part, literal, expression in following:
            value = part.get(event, data, delivery)
            if value is None:
                raise RenderError(f"{expression} has no value in this event")
            out += (as_text(value), literal)
        return "".join(out)

    return Compiled(get, "text", any(part.uses_delivery for part in parts))


def _expression(expression: str, key: str, maps: Maps) -> Compiled:
    names, *filters = (piece.strip() for piece in expression.split("|"))
    result = _first_of([_name(name.strip(), key) for name in names.split(",")])
    for text in filters:
        result = _filtered(result, text, key, maps)
    return result


def _first_of(parts: list[Compiled]) -> Compiled:
    if len(parts) == 1:
        return parts[0]

    def get(event: EventFacts, data: Mapping[str, Any], delivery: DeliveryFacts) -> Any:
        values = (part.get(event, data, delivery) for part in parts)
        return next((value for value in values if value is not None), None)

    kinds = {part.kind for part in parts}
    return Compiled(get, kinds.pop() if len(kinds) == 1 else "any", any(part.uses_delivery for part in parts))


def _name(name: str, key: str) -> Compiled:
    known = _NAMES.get(name)
    if known is not None:
        return known
    for root in ("event.data.", "event.attributes."):
        if name.startswith(root) and _PATH.match(name):
            return _path(_NAMES[root[:-1]].get, name.removeprefix(root).split("."))
    raise TemplateInvalid(key, f"unknown name {name!r}; there are {', '.join(_NAMES)}, event.data.<field>")


def _path(root: Getter, path: list[str]) -> Compiled:
    def get(event: EventFacts, data: Mapping[str, Any], delivery: DeliveryFacts) -> Any:
        value = root(event, data, delivery)
        for name in path:
            if not isinstance(value, Mapping):
                return None
            value = value.get(name)
        return value

    return Compiled(get, "any")


def _filtered(part: Compiled, text: str, key: str, maps: Maps) -> Compiled:
    name, _, argument = text.partition(":")
    known = FILTERS.get(name)
    if known is None:
        raise TemplateInvalid(key, f"unknown filter {name!r}; there are {', '.join(FILTERS)}")
    if part.kind not in known.takes:
        raise TemplateInvalid(
            key, f"filter {name} can't take {part.kind}; it takes {', '.join(sorted(known.takes))}"
        )
    try:
        apply = known.build(argument, maps)
    except TemplateFilterInvalid as error:
        raise TemplateInvalid(key, f"filter {name} {error}") from error
    inner, sees_none = part.get, name == "default"

    def get(event: EventFacts, data: Mapping[str, Any], delivery: DeliveryFacts) -> Any:
        value = inner(event, data, delivery)
        return apply(value, event) if value is not None or sees_none else None

    return Compiled(get, known.gives or part.kind, part.uses_delivery)


def _object(node: Mapping[str, Any], key: str, maps: Maps) -> Compiled:
    fields = [(name, compile_value(value, f"{key}.{name}", maps)) for name, value in node.items()]
    for name, part in fields:
        if name == SPREAD and part.kind != "object":
            raise TemplateInvalid(f"{key}.{SPREAD}", "only an object can be spread")
    getters = [(name, part.get) for name, part in fields]

    def get(event: EventFacts, data: Mapping[str, Any], delivery: DeliveryFacts) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, getter in getters:
            value = getter(event, data, delivery)
            if name == SPREAD:
                _spread(out, value)
            elif name in out:
                raise RenderError(f"field {name!r} would stand twice in a flat payload")
            elif value is not None:
                out[name] = value
        return out

    return Compiled(get, "object", any(part.uses_delivery for _, part in fields))


def _spread(out: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        if name in out:
            raise RenderError(f"field {name!r} would stand twice in a flat payload")
        out[name] = value


def _list(node: list[Any], key: str, maps: Maps) -> Compiled:
    parts = [compile_value(item, f"{key}.{index}", maps) for index, item in enumerate(node)]

    def get(event: EventFacts, data: Mapping[str, Any], delivery: DeliveryFacts) -> list[Any]:
        values = (part.get(event, data, delivery) for part in parts)
        return [value for value in values if value is not None]

    return Compiled(get, "any", any(part.uses_delivery for part in parts))
