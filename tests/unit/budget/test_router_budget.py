"""What one event costs the router, counted: calls, records, questions to the registry; and how that grows with nothing."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, cast

import pytest

from consumers.router.outbox import Outbox
from consumers.router.program import Routing
from tests.unit.budget.counting import OURS, Calls, counting
from tests.unit.budget.edges import Broker, Shelf, writing
from tocsin import events
from tocsin.encoding import EventEncoder
from tocsin.events import Event
from tocsin.kafka import pipeline
from tocsin.kafka.codec import Decoder
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Part, Reader, Record
from tocsin.kafka.registry import Registry
from tocsin.kafka.standing import StandingSubscriptions
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop
from tocsin.matching import Index
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

TOPICS: Final = Topics("budget")
SYSTEMS: Final = load_systems()
SYSTEM: Final = SYSTEMS["governlayer"]
PART: Final = Part(TOPICS.events(SYSTEM.name), 0)
COUNT: Final = 60

EVENT_MOST: Final = 58
"""Calls for an event that nobody wants."""
DELIVERY_MOST: Final = 56
"""Further calls for each of its deliveries."""


class Fresh:
    """A table that is read to its end at every moment."""

    def age_s(self) -> float:
        return 0.0


class Member:
    """A reader that hands out records once, and asks for the stop when all are finished."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._left = 0
        self._records: queue.SimpleQueue[list[Record]] = queue.SimpleQueue()

    def hand_out(self, records: list[Record]) -> None:
        self._left = len(records)
        self._records.put(records)

    def poll(self, timeout_s: float) -> list[Record]:
        return [] if self._records.empty() else self._records.get()

    def alive(self) -> bool:
        return True

    def finish(self, record: Record) -> None:
        self._left -= 1
        if not self._left:
            self._stop.ask()


class World:
    """One router but for its reader, with everything beside it that a test asks."""

    def __init__(self, subscriptions: Sequence[Subscription], writer: Writer, broker: Broker) -> None:
        self.registry, self.broker = Shelf(), broker
        registry = cast(Registry, self.registry)
        self._encode = EventEncoder(registry, PART.topic, SYSTEM)
        self._numbers = itertools.count()
        index = Index({name: system.event_types for name, system in SYSTEMS.items()})
        for subscription in subscriptions:
            index.update(subscription.id, subscription)
        self._routing = Routing(
            systems={PART.topic: SYSTEM},
            contracts=SYSTEMS,
            index=index,
            table=cast(StandingSubscriptions, Fresh()),
            decoder=Decoder(registry),
            writer=writer,
            outbox=Outbox(
                writer,
                cast(Quarantine, None),
                TOPICS.deliveries,
                pipeline.encoder(registry, TOPICS, "delivery"),
            ),
        )

    def route(self, records: list[Record]) -> None:
        """Route records to their end."""
        stop = Stop(1.0)
        member = Member(stop)
        self._routing.reader = cast(Reader, member)
        member.hand_out(records)
        self._routing.run(stop)

    def records(self, count: int) -> list[Record]:
        """Return records as a publisher writes them."""
        return [self._record(next(self._numbers)) for _ in range(count)]

    def _record(self, number: int) -> Record:
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        event = Event(f"event-{number}", "/budget", "drift.alert", moment, "acme")
        value = self._encode(event.type, SYSTEM.event_types[event.type].example)
        headers = [(name, data) for name, data in events.to_headers(event)]
        return Record(PART.topic, 0, number, 1, b"acme", value, cast(Any, headers), 0)


def subscriptions(wanting: int, others: int = 0, *, format: str | None = None) -> list[Subscription]:
    template = Subscription(
        id="",
        organization="acme",
        system=SYSTEM.name,
        format=format,
        url="https://example.com/",
        event_types=("drift.*",),
        created_at=0,
        updated_at=0,
        effective_at=0,
        offset=0,
    )
    return [
        replace(template, id=f"wh_{number}", organization="acme" if number < wanting else f"other-{number}")
        for number in range(wanting + others)
    ]


def counted(subscribed: Sequence[Subscription]) -> Calls:
    """Route events for some subscriptions, and return the calls that it took."""
    with writing() as (writer, broker):
        made = World(subscribed, writer, broker)
        made.route(made.records(10))
        records = made.records(COUNT)
        with counting() as calls:
            made.route(records)
        return calls


def test_event_and_its_deliveries_take_no_more_calls_than_they_did() -> None:
    none, ten = counted([]), counted(subscriptions(10))
    assert none.each(COUNT, *OURS) <= EVENT_MOST, none.told(COUNT)
    each = (ten.each(COUNT, *OURS) - none.each(COUNT, *OURS)) / 10
    assert each <= DELIVERY_MOST, (
        f"{each:.1f} of our own for each delivery; of an event with ten:\n{ten.told(COUNT)}"
    )


@pytest.mark.parametrize("others", [2_000])
def test_event_takes_as_many_calls_whatever_others_subscribe_to(others: int) -> None:
    alone, among = counted(subscriptions(2)), counted(subscriptions(2, others))
    assert among.each(COUNT, *OURS) == pytest.approx(alone.each(COUNT, *OURS), rel=0.03), among.told(COUNT)


def test_event_is_rendered_once_for_all_where_the_body_is_the_same() -> None:
    """Most documented systems have the delivery's id in theirs; the open formats do not."""
    calls = counted(subscriptions(10, format="standard-webhooks"))
    assert calls.of("render") == COUNT, calls.told(COUNT)


def test_router_writes_one_record_for_each_delivery_and_asks_the_registry_nothing() -> None:
    with writing() as (writer, broker):
        made = World(subscriptions(3), writer, broker)
        made.route(made.records(1))
        written, asked = broker.written.copy(), made.registry.asked
        made.route(made.records(COUNT))
        assert dict(broker.written - written) == {TOPICS.deliveries: 3 * COUNT}
        assert made.registry.asked == asked
