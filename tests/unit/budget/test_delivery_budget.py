"""What one delivery costs the delivery process, counted: calls, records, bytes kept, questions to the registry."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, cast

import pytest
import uvloop

from consumers.delivery.client import DeliveryClient
from consumers.delivery.endpoints import Endpoints
from consumers.delivery.lanes import Lanes
from consumers.delivery.outbox import Outbox
from consumers.delivery.program import Delivering
from consumers.delivery.warmup import Warmup
from consumers.delivery.work import Work
from tests.unit.budget.counting import OURS, counting, keeping
from tests.unit.budget.edges import Broker, Shelf, elsewhere, writing
from tocsin import deliveries, secrets
from tocsin.deliveries import Delivery, Progress
from tocsin.destinations import Policy
from tocsin.kafka import pipeline
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Part, Reader, Record
from tocsin.kafka.registry import Registry
from tocsin.kafka.standing import StandingSubscriptions
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

TOPICS: Final = Topics("budget")
PART: Final = Part(TOPICS.deliveries, 0)
COUNT: Final = 150
WARM_UP: Final = 40
WITHIN_S: Final = 30.0

OURS_MOST: Final = 180
"""Calls of our own functions."""
ALL_MOST: Final = 305
"""Calls of all, the HTTP client's included."""
KEPT_MOST_BYTES: Final = 480
HELD_MOST_BYTES: Final = 2_250
"""Besides the record as the client hands it over: a body of 500 bytes is there once more, decoded."""
CYCLES_MOST: Final = 0.1

KEYRING: Final = secrets.parse_keyring("test", secrets.new_key_line("k1"))


class Member:
    """A reader that owns its partition for good."""

    parts = (PART,)

    def __init__(self) -> None:
        self.finished = 0
        self.done = asyncio.Event()
        self.awaited = 0

    def owns(self, record: Record) -> bool:
        return True

    def alive(self) -> bool:
        return True

    def expect_marks(self, parts: Sequence[Part]) -> None:
        """Nothing lies there."""

    def mark(self, part: Part) -> None:
        """There is none."""

    def set_mark(self, partition: int, mark: object) -> None:
        """It is not committed."""

    def finish(self, record: Record) -> None:
        self.finished += 1
        if self.finished == self.awaited:
            self.done.set()

    async def until_finished(self, count: int) -> None:
        self.awaited = count
        self.done.clear()
        if self.finished < count:
            await asyncio.wait_for(self.done.wait(), WITHIN_S)


class Nothing:
    """A warm-up that finds nothing in the attempts topic."""

    def learn(self, part: Part, mark: object, learned: Callable[..., None]) -> None:
        learned(part, [])


class Table:
    """One subscription, read to the end."""

    position = 1_000

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def __len__(self) -> int:
        return 1

    def get(self, subscription_id: str) -> Subscription | None:
        return self._subscription if subscription_id == self._subscription.id else None

    def age_s(self) -> float:
        return 0.0


class World:
    """One delivery process but for its reader, with everything beside it that a test asks."""

    def __init__(
        self, url: str, client: DeliveryClient, writer: Writer, broker: Broker, most_in_flight: int
    ) -> None:
        self.registry, self.broker, self.member = Shelf(), broker, Member()
        registry, loop = cast(Registry, self.registry), asyncio.get_running_loop()
        self._encode = pipeline.encoder(registry, TOPICS, "delivery")
        self._numbers = itertools.count()
        self._subscription = subscription(url)
        self.delivering = Delivering(
            endpoints=Endpoints(
                cast(StandingSubscriptions, Table(self._subscription)),
                load_systems(),
                KEYRING,
                Policy.of(allow_http=True, allow_cidrs=("127.0.0.0/8",)),
                TOPICS.subscriptions,
            ),
            client=client,
            outbox=Outbox(writer, TOPICS, pipeline.encoder(registry, TOPICS, "attempt"), loop),
            quarantine=cast(Quarantine, None),
            lanes=Lanes[Work](most_in_flight),
            decoder=pipeline.decoder(registry, "delivery"),
            warmup=cast(Warmup, Nothing()),
            live_topic=PART.topic,
        )
        self.delivering.reader = cast(Reader, self.member)
        self.delivering.assigned([PART])

    def records(self, count: int) -> list[Record]:
        """Return records as the router writes them."""
        return [self._record(next(self._numbers)) for _ in range(count)]

    async def deliver(self, records: Sequence[Record]) -> None:
        """Deliver records and return once all are finished."""
        until = self.member.finished + len(records)
        self.delivering.deliver(records)
        await self.member.until_finished(until)

    def _record(self, number: int) -> Record:
        event_id, own = f"event-{number}", self._subscription
        delivery_id = str(deliveries.delivery_id("/budget", "drift.alert", event_id, own.id))
        delivery = Delivery(
            delivery_id=delivery_id,
            organization=own.organization,
            subscription_id=own.id,
            subscription_offset=0,
            system=own.system,
            format=None,
            event_id=event_id,
            event_source="/budget",
            event_type="drift.alert",
            event_time=0,
            content_type="application/json",
            headers=(("User-Agent", "GovernLayer-Webhooks/1.0"), ("X-GovernLayer-Event", "drift.alert")),
            body=b"{" + b" " * 498 + b"}",
        )
        headers: list[tuple[str, bytes | None]] = [
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id.encode()),
            ("ce_source", b"/budget"),
            ("ce_type", b"drift.alert"),
            ("ce_time", b"2026-01-01T00:00:00Z"),
            ("ce_organization", own.organization.encode()),
            ("tocsin_delivery_id", delivery_id.encode()),
            *deliveries.progress_headers(Progress()),
        ]
        value = self._encode(deliveries.to_record(delivery))
        return Record(PART.topic, PART.partition, number, 1, own.id.encode(), value, headers, 0)


def subscription(url: str) -> Subscription:
    plain = Subscription(
        id="wh_budget",
        organization="acme",
        system="governlayer",
        url=url,
        event_types=("*",),
        created_at=0,
        updated_at=0,
        effective_at=0,
        offset=0,
    )
    sealed = KEYRING.seal(
        "whsec_budget",
        topic=TOPICS.subscriptions,
        organization=plain.organization,
        subscription=plain.id,
        secret_id="s1",
        now_ms=0,
    )
    return replace(plain, secrets=(sealed,))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with elsewhere() as found:
        yield found


@asynccontextmanager
async def world(url: str, most_in_flight: int = 16) -> AsyncIterator[World]:
    """A process that has delivered a few: connections are open, and what is made once is made."""
    policy = Policy.of(allow_http=True, allow_cidrs=("127.0.0.0/8",))
    with writing() as (writer, broker):
        async with DeliveryClient(policy) as client:
            made = World(url, client, writer, broker, most_in_flight)
            if most_in_flight:
                await made.deliver(made.records(WARM_UP))
            yield made


def test_delivery_takes_no_more_calls_than_it_did(url: str) -> None:
    """From the record as it was read to the offset that is finished: decode, admit, sign, POST, judge, decide, encode."""

    async def run() -> Any:
        async with world(url) as made:
            records = made.records(COUNT)
            with counting() as calls:
                await made.deliver(records)
            return calls

    calls = uvloop.run(run())
    assert calls.each(COUNT, *OURS) <= OURS_MOST, calls.told(COUNT)
    assert calls.each(COUNT) <= ALL_MOST, calls.told(COUNT)


def test_delivery_writes_one_record_and_asks_the_registry_nothing(url: str) -> None:
    """The other of its two records is the router's."""

    async def run() -> tuple[dict[str, int], int]:
        async with world(url) as made:
            written, asked = made.broker.written.copy(), made.registry.asked
            await made.deliver(made.records(COUNT))
            return dict(made.broker.written - written), made.registry.asked - asked

    assert uvloop.run(run()) == ({TOPICS.attempts: COUNT}, 0)


def test_delivery_that_is_over_leaves_a_digest_behind_and_no_cycles(url: str) -> None:
    """Hundreds of thousands of decisions are remembered, and full collections are put off, for they stop everybody."""

    async def run() -> Any:
        async with world(url, most_in_flight=4) as made:  # what connections keep is theirs
            records = made.records(COUNT)
            with keeping() as kept:
                await made.deliver(records)
            return kept

    kept = uvloop.run(run())
    assert kept.size_bytes / COUNT <= KEPT_MOST_BYTES, (
        f"{kept.size_bytes / COUNT:.0f} bytes each\n{kept.most}"
    )
    assert kept.cycles / COUNT < CYCLES_MOST, f"{kept.cycles} objects in cycles after {COUNT}"


def test_delivery_that_waits_takes_little_more_than_its_record(url: str) -> None:
    """A process holds tens of thousands of them."""

    async def run() -> Any:
        async with world(url, most_in_flight=0) as made:
            records = made.records(COUNT)
            with keeping() as kept:
                made.delivering.deliver(records)
                await asyncio.sleep(0)
            assert made.member.finished == 0
            return kept

    kept = uvloop.run(run())
    assert kept.size_bytes / COUNT <= HELD_MOST_BYTES, (
        f"{kept.size_bytes / COUNT:.0f} bytes each\n{kept.most}"
    )
