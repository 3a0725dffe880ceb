"""Which subscriptions an event is for. Pure; a look-up costs what matches, not what exists.

A subscription's globs are resolved when it is added, against the event types of its system: those are few and known.
What it asks of an event's data (its scope) is a look-up too: for each set of scope fields in use, the event's
values of those fields lead to the subscriptions that asked for exactly them. Filters come last, and only those of the
subscriptions that the look-up found.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from tocsin import filters, patterns
from tocsin.errors import FilterInvalid
from tocsin.events import Event
from tocsin.subscriptions import Subscription

_log = logging.getLogger("tocsin.matching")


class _Audience(NamedTuple):
    """Who may want an event: one organization, one system, one event type."""

    organization: str
    system: str
    event_type: str


class _Scope(NamedTuple):
    """What is asked of an event's data: fields in order of their names, and their values."""

    names: tuple[str, ...]
    values: tuple[str | None, ...]


class Match(NamedTuple):
    """Whom an event is for.

    Attributes:
        subscriptions: They want it.
        undecided: What nobody can say of: id of a subscription whose filters cannot be read, to the reason.
    """

    subscriptions: list[Subscription]
    undecided: Mapping[str, str]


_Wanting = dict[tuple[str, ...], dict[tuple[str | None, ...], dict[str, Subscription]]]


class Index:
    """Active subscriptions by what they want. One lock makes a change and a look-up each a whole.

    Args:
        event_types: System to the names of its event types.
        notices: Names of the events that every system has besides. Their data has no scope, so none is asked of it.
    """

    def __init__(self, event_types: Mapping[str, Collection[str]], notices: Collection[str] = ()) -> None:
        self._event_types = event_types
        self._notices = notices
        self._subscriptions: dict[str, Subscription] = {}
        self._wanting: dict[_Audience, _Wanting] = {}
        self._filters: dict[str, filters.Predicate | FilterInvalid] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._subscriptions)

    def update(self, subscription_id: str, subscription: Subscription | None) -> None:
        """Put the newest version of a subscription in the place of what was known of it; None removes it."""
        with self._lock:
            known = self._subscriptions.pop(subscription_id, None)
            if known is not None:
                self._remove(known)
            if subscription is not None and subscription.active:
                self._subscriptions[subscription_id] = subscription
                self._add(subscription)

    def match(self, event: Event, system: str, data: Mapping[str, Any]) -> Match:
        """Return the active subscriptions that want an event.

        Args:
            system: Whose event it is.
            data: The event's data, as its schema says; asked for scope fields and by filters.
        """
        with self._lock:
            wanting = self._wanting.get(_Audience(event.organization, system, event.type), {})
            found = [
                subscription
                for names, by_values in wanting.items()
                for subscription in by_values.get(_values(data, names), {}).values()
            ]
            return self._filtered(found, event, data) if self._filters else Match(found, {})

    def _filtered(self, found: Iterable[Subscription], event: Event, data: Mapping[str, Any]) -> Match:
        wanted: list[Subscription] = []
        undecided: dict[str, str] = {}
        for subscription in found:
            passes = self._filters.get(subscription.id)
            if isinstance(passes, FilterInvalid):
                undecided[subscription.id] = str(passes)
            elif passes is None or passes(event, data):
                wanted.append(subscription)
        return Match(wanted, undecided)

    def _add(self, subscription: Subscription) -> None:
        if subscription.filters is not None:
            self._filters[subscription.id] = _compiled(subscription.id, subscription.filters)
        for audience in self._audiences(subscription):
            scope = self._scope(subscription, audience)
            by_values = self._wanting.setdefault(audience, {}).setdefault(scope.names, {})
            by_values.setdefault(scope.values, {})[subscription.id] = subscription

    def _remove(self, subscription: Subscription) -> None:
        self._filters.pop(subscription.id, None)
        for audience in self._audiences(subscription):
            scope = self._scope(subscription, audience)
            wanting = self._wanting[audience]
            by_values = wanting[scope.names]
            del by_values[scope.values][subscription.id]
            # What is empty goes, or subscriptions that come and go would leave their traces for ever.
            if not by_values[scope.values]:
                del by_values[scope.values]
            if not by_values:
                del wanting[scope.names]
            if not wanting:
                del self._wanting[audience]

    def _audiences(self, subscription: Subscription) -> Iterable[_Audience]:
        known = self._event_types.get(subscription.system, ())
        for event_type in patterns.wanted(subscription.event_types, known, self._notices):
            yield _Audience(subscription.organization, subscription.system, event_type)

    def _scope(self, subscription: Subscription, audience: _Audience) -> _Scope:
        names = () if audience.event_type in self._notices else tuple(sorted(subscription.scope))
        return _Scope(names, tuple(subscription.scope[name] for name in names))


def _compiled(subscription_id: str, text: str) -> filters.Predicate | FilterInvalid:
    try:
        return filters.predicate(text)
    except FilterInvalid as error:
        _log.error("the filters of %s cannot be read: %s", subscription_id, error)
        return error


def _values(data: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str | None, ...]:
    return tuple(_text(data.get(name)) for name in names)


def _text(value: object) -> str | None:
    """Return a data value as a scope writes it; None for what no scope can name."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None
