"""Whether a subscription that was read may be used. Pure.

The control API checks what it writes, and more strictly. But whoever can write the topic can write anything that its
schema allows, so every reader passes over what could hurt it: rows under another row's key, times that no calendar has,
numbers that cannot be raised, headers that are none, texts without end. Where it may send to is judged at each POST.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tocsin.errors import Undecodable
from tocsin.health import Health
from tocsin.subscriptions import Subscription, all_sealed
from tocsin.wire import carried_headers

ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
URL_MAX_CHARS: Final = 2_048
DESCRIPTION_MAX_CHARS: Final = 2_000
NAME_MAX_CHARS: Final = 200
EVENTS_MAX: Final = 200
SCOPE_MAX: Final = 50
FILTERS_MAX_CHARS: Final = 100_000
SEALED_MAX: Final = 64
SEALED_MAX_BYTES: Final = 16_384
COUNTER_MAX: Final = 1 << 53
"""JSON's readers know no larger number exactly; nobody changes anything so often."""
TIME_MAX_MS: Final = 253_402_300_799_999
"""The end of the year 9999, after which no calendar of ours goes."""


def sound(subscription: Subscription, key: str) -> Subscription:
    """Return a subscription that stands under a key of the topic.

    Raises:
        Undecodable: It may not be used; the words hold nothing of what it says.
    """
    reason = next(_faults(subscription, key), None)
    if reason is not None:
        raise Undecodable(f"the subscription is not sound: {reason}")
    return subscription


def sound_health(found: Health, key: str) -> Health:
    """Return a health that stands under a key of its topic; raises as `sound`."""
    if found.subscription_id != key:
        raise Undecodable("the health is not sound: it stands under a key that is not its subscription's")
    if not all(0 <= each <= TIME_MAX_MS for each in (found.since_ms, found.failing_since_ms or 0)):
        raise Undecodable("the health is not sound: a time that no calendar has")
    return found


def _faults(subscription: Subscription, key: str) -> Iterator[str]:
    if subscription.id != key or not ID.fullmatch(key):
        yield "it stands under a key that is not its id"
    times = (subscription.created_at, subscription.updated_at, subscription.effective_at)
    if not all(0 <= each <= TIME_MAX_MS for each in times):
        yield "a time that no calendar has"
    if not all(1 <= each <= COUNTER_MAX for each in (subscription.version, subscription.generation)):
        yield "a version or generation that cannot be raised"
    if len(subscription.url) > URL_MAX_CHARS:
        yield "its URL is too long"
    if any(len(text) > DESCRIPTION_MAX_CHARS for text in _words(subscription)):
        yield "a text in it is too long"
    if any(len(name) > NAME_MAX_CHARS for name in _names(subscription)):
        yield "a name in it is too long"
    if len(subscription.event_types) > EVENTS_MAX or len(subscription.scope) > SCOPE_MAX:
        yield "it asks for too much"
    if len(subscription.filters or "") > FILTERS_MAX_CHARS:
        yield "its filters are too long"
    yield from _sealed_faults(subscription)


def _sealed_faults(subscription: Subscription) -> Iterator[str]:
    stored = list(all_sealed(subscription))
    if len(stored) > SEALED_MAX or any(len(each.sealed) > SEALED_MAX_BYTES for each in stored):
        yield "too much is sealed in it"
    if any(len(text) > NAME_MAX_CHARS for each in stored for text in (each.id, each.key_id)):
        yield "a name in it is too long"
    times = (time_ms for each in stored for time_ms in (each.created_at, each.expires_at or 0))
    if not all(0 <= each <= TIME_MAX_MS for each in times):
        yield "a time that no calendar has"
    named = [*subscription.headers.items(), *((name, "") for name in subscription.sealed_headers)]
    reason = carried_headers.fault(named)
    if reason is not None:
        yield reason


def _words(subscription: Subscription) -> Iterator[str]:
    yield subscription.description
    yield subscription.inactive_reason or ""
    yield from subscription.scope.values()


def _names(subscription: Subscription) -> Iterator[str]:
    yield from (subscription.organization, subscription.system, subscription.format or "")
    yield from subscription.event_types
    yield from subscription.scope
