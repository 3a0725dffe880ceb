"""A delivery process without Kafka and without endpoints, for tests that drive it step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from consumers.delivery.client import DeliveryClient
from consumers.delivery.endpoints import Endpoints, Refused
from consumers.delivery.lanes import Lanes
from consumers.delivery.outbox import Outbox
from consumers.delivery.outcome import Outcome
from consumers.delivery.program import Delivering
from consumers.delivery.transport import Unsent
from consumers.delivery.warmup import Warmup
from consumers.delivery.work import Work
from tocsin.deliveries import Attempt, Delivery, Progress
from tocsin.kafka.codec import Decoder
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Part, Reader, Record

PART = Part("deliveries", 0)
DELIVERY = Delivery(
    delivery_id="d",
    organization="acme",
    subscription_id="wh",
    subscription_offset=0,
    system="governlayer",
    format=None,
    event_id="e",
    event_source="/test",
    event_type="drift.alert",
    event_time=0,
    content_type="application/json",
    headers=(),
    body=b"{}",
)


class Member:
    """A reader's place in its group: an epoch at a time."""

    parts = (PART,)

    def __init__(self) -> None:
        self.epoch = 1
        self.leased = True
        self.finished: list[Record] = []
        self.renewed = 0

    def owns(self, record: Record) -> bool:
        return record.epoch == self.epoch

    def alive(self) -> bool:
        return self.leased

    def renew(self) -> None:
        self.renewed += 1

    def fill(self, part: Part) -> float:
        """Its window is full."""
        return 1.0

    def finish(self, record: Record) -> None:
        self.finished.append(record)


class Silent:
    """A broker that acknowledges nothing, and everybody's refusal as the quickest way to a decision."""

    failed = None
    owed = 0

    def __init__(self) -> None:
        self.decided: list[Record] = []
        self.attempts: list[Attempt] = []

    def stalled(self) -> bool:
        return False

    def attempt(self, record: Record, identity: str, attempt: Attempt, *_: Any) -> None:
        self.decided.append(record)
        self.attempts.append(attempt)

    def find(self, *_: Any, **__: Any) -> Refused:
        return Refused("gone", "the subscription was deleted")


class Never:
    """An endpoint that never answers."""

    url, timeout_s = "https://example.com/", 30.0

    def __init__(self) -> None:
        self.posts = 0

    def find(self, *_: Any, **__: Any) -> Never:
        return self

    def body(self, delivery: Delivery) -> bytes:
        return delivery.body

    def request_headers(self, *_: Any) -> list[tuple[str, str]]:
        return []

    async def post(self, *, may_send: Callable[[], bool], **_: Any) -> Outcome:
        if not may_send():
            raise Unsent
        self.posts += 1
        never: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        return await never


class Ending(Never):
    """Endpoints to which POSTs come to these outcomes, one after the other."""

    shown_url, generation, schedule = "https://example.com/", 0, ("1m",)

    def __init__(self, *outcomes: Outcome) -> None:
        super().__init__()
        self._outcomes = iter(outcomes)

    async def post(self, **_: Any) -> Outcome:
        self.posts += 1
        return next(self._outcomes)

    def shown_headers(self, *_: Any) -> dict[str, str]:
        return {}


class Broken(Silent):
    """An outbox that cannot encode what was decided."""

    def attempt(self, *_: Any) -> None:
        raise ValueError("the attempt cannot be encoded")


def read(epoch: int, endpoint: str = "wh") -> Work:
    record = Record(PART.topic, PART.partition, 7, epoch, endpoint.encode(), b"", [], 0)
    delivery = replace(DELIVERY, subscription_id=endpoint)
    return Work(record, delivery, Progress(), f"{endpoint}:0:0", live=True)


def delivering_for(
    member: Member,
    outbox: Silent,
    endpoints: Silent | Never,
    lanes: Lanes[Work],
    decoder: Callable[..., Any] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Delivering:
    made = Delivering(
        endpoints=cast(Endpoints, endpoints),
        client=cast(DeliveryClient, endpoints),
        outbox=cast(Outbox, outbox),
        quarantine=cast(Quarantine, None),
        lanes=lanes,
        decoder=cast(Decoder, decoder),
        warmup=cast(Warmup, None),
        live_topic=PART.topic,
        stopping=stopping,
    )
    made.reader = cast(Reader, member)
    return made
