"""What delivery hands back undecided is not lost, though it comes back to the same process."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from consumers.delivery.client import DeliveryClient
from consumers.delivery.endpoints import Endpoints, Refused
from consumers.delivery.lanes import Lanes
from consumers.delivery.outbox import Outbox
from consumers.delivery.program import Delivering
from consumers.delivery.warmup import Warmup
from consumers.delivery.work import Work
from tocsin.deliveries import Delivery, Progress
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
        self.finished: list[Record] = []

    def owns(self, record: Record) -> bool:
        return record.epoch == self.epoch

    def alive(self) -> bool:
        return True

    def finish(self, record: Record) -> None:
        self.finished.append(record)


class Silent:
    """A broker that acknowledges nothing, and everybody's refusal as the quickest way to a decision."""

    failed = None

    def __init__(self) -> None:
        self.decided: list[Record] = []

    def stalled(self) -> bool:
        return False

    def attempt(self, record: Record, *_: Any) -> None:
        self.decided.append(record)

    def find(self, *_: Any, **__: Any) -> Refused:
        return Refused("gone", "the subscription was deleted")


def read(epoch: int) -> Work:
    record = Record(PART.topic, PART.partition, 7, epoch, b"wh", b"", [], 0)
    return Work(record, DELIVERY, Progress(), "d:0:0", live=True)


def test_work_that_was_handed_back_undecided_begins_anew_when_it_comes_back() -> None:
    """Its decision is on its way while the partition goes; what is read again is no copy of it."""

    async def run() -> tuple[list[Record], list[Record]]:
        member, silent = Member(), Silent()
        delivering = Delivering(
            endpoints=cast(Endpoints, silent),
            client=cast(DeliveryClient, None),
            outbox=cast(Outbox, silent),
            quarantine=cast(Quarantine, None),
            lanes=Lanes[Work](10),
            decoder=cast(Decoder, None),
            warmup=cast(Warmup, None),
            live_topic=PART.topic,
        )
        delivering.reader = cast(Reader, member)
        for epoch in (1, 2):
            member.epoch = epoch
            delivering._begin([PART])
            delivering._warm(PART, [])
            delivering._take([read(epoch)])
            await delivering._drain({PART}, time.monotonic() + 0.05)
        return silent.decided, member.finished

    decided, finished = asyncio.run(run())
    assert [record.epoch for record in decided] == [1, 2]
    assert finished == []
