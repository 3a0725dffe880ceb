"""What delivery hands back undecided is not lost, though it comes back to the same process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from consumers.delivery.client import DeliveryClient
from consumers.delivery.endpoints import Endpoints, Refused
from consumers.delivery.lanes import Lanes
from consumers.delivery.outbox import Outbox
from consumers.delivery.outcome import Answered, Outcome
from consumers.delivery.program import STARTS_A_TURN, Delivering
from consumers.delivery.transport import Unsent
from consumers.delivery.warmup import Warmup
from consumers.delivery.work import Work
from tocsin.deliveries import Delivery, Progress
from tocsin.destinations import Policy
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

    def owns(self, record: Record) -> bool:
        return record.epoch == self.epoch

    def alive(self) -> bool:
        return self.leased

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


class Answering(Never):
    """An endpoint that takes what it is sent."""

    shown_url, generation, schedule = "https://example.com/", 0, ("1m",)

    async def post(self, **_: Any) -> Answered:
        self.posts += 1
        return Answered(200, (), b"", body_complete=True, duration_s=0.01)

    def shown_headers(self, *_: Any) -> dict[str, str]:
        return {}


class Broken(Silent):
    """An outbox that cannot encode what was decided."""

    def attempt(self, record: Record, *_: Any) -> None:
        raise ValueError("the attempt cannot be encoded")


def read(epoch: int, endpoint: str = "wh") -> Work:
    record = Record(PART.topic, PART.partition, 7, epoch, endpoint.encode(), b"", [], 0)
    delivery = replace(DELIVERY, subscription_id=endpoint)
    return Work(record, delivery, Progress(), f"{endpoint}:0:0", live=True)


def delivering_for(
    member: Member, outbox: Silent, endpoints: Silent | Never, lanes: Lanes[Work]
) -> Delivering:
    made = Delivering(
        endpoints=cast(Endpoints, endpoints),
        client=cast(DeliveryClient, endpoints),
        outbox=cast(Outbox, outbox),
        quarantine=cast(Quarantine, None),
        lanes=lanes,
        decoder=cast(Decoder, None),
        warmup=cast(Warmup, None),
        live_topic=PART.topic,
    )
    made.reader = cast(Reader, member)
    return made


def test_work_that_was_handed_back_undecided_begins_anew_when_it_comes_back() -> None:
    """Its decision is on its way while the partition goes; what is read again is no copy of it."""

    async def run() -> tuple[list[Record], list[Record]]:
        member, silent = Member(), Silent()
        delivering = delivering_for(member, silent, silent, Lanes[Work](10))
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


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_post_that_is_forgotten_leaves_its_endpoints_place_free_however_far_it_came(steps: int) -> None:
    """An endpoint at its limit gets nothing more: a place that stays taken would silence it for ever."""

    async def run() -> int:
        member, lanes = Member(), Lanes[Work](10)
        delivering = delivering_for(member, Silent(), Never(), lanes)
        delivering._begin([PART])
        delivering._warm(PART, [])
        delivering._take([read(member.epoch)])
        assert lanes.in_flight == 1
        for _ in range(steps):
            await asyncio.sleep(0)
        delivering._forget({PART})
        for _ in range(5):
            await asyncio.sleep(0)
        return lanes.in_flight

    assert asyncio.run(run()) == 0


def test_nothing_is_sent_after_the_lease_ran_out_before_the_first_step_and_all_of_it_once_there_is_one() -> (
    None
):
    """A process may be frozen between two steps for longer than its session."""

    async def run() -> list[int]:
        member, lanes, never = Member(), Lanes[Work](10), Never()
        delivering = delivering_for(member, Silent(), never, lanes)
        delivering._begin([PART])
        delivering._warm(PART, [])
        delivering._take([read(member.epoch)])
        member.leased = False
        await asyncio.sleep(0)
        seen = [never.posts, lanes.in_flight]
        member.leased = True
        delivering._match_again()
        delivering._pump()
        await asyncio.sleep(0)
        return [*seen, never.posts, lanes.in_flight]

    assert asyncio.run(run()) == [0, 0, 1, 1]


def test_what_goes_wrong_after_the_answer_ends_the_program() -> None:
    """Else its offset would stand still, and everybody's with it, until somebody restarts the process."""

    async def run() -> BaseException | None:
        member = Member()
        delivering = delivering_for(member, Broken(), Answering(), Lanes[Work](10))
        delivering._begin([PART])
        delivering._warm(PART, [])
        work = read(member.epoch)
        delivering._take([work])
        assert work.task is not None
        await asyncio.wait([work.task])
        await asyncio.sleep(0)
        return delivering.failed

    assert isinstance(asyncio.run(run()), ValueError)


def test_many_that_may_start_leave_the_loop_turns_for_answers() -> None:
    async def run() -> list[int]:
        member, lanes = Member(), Lanes[Work](4 * STARTS_A_TURN)
        delivering = delivering_for(member, Silent(), Never(), lanes)
        delivering._begin([PART])
        delivering._warm(PART, [])
        delivering._take([read(member.epoch, f"wh_{number}") for number in range(3 * STARTS_A_TURN - 1)])
        seen = []
        for _ in range(4):
            seen.append(lanes.in_flight)
            await asyncio.sleep(0)
        return seen

    assert asyncio.run(run()) == [
        STARTS_A_TURN,
        2 * STARTS_A_TURN,
        3 * STARTS_A_TURN - 1,
        3 * STARTS_A_TURN - 1,
    ]


def test_connection_that_comes_after_the_lease_carries_nothing() -> None:
    """What was about to connect when the process was frozen is not sent when it thaws."""

    async def run() -> tuple[bool, bytes]:
        arrived, hung_up = bytearray(), asyncio.Event()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.extend(await reader.read())
            writer.close()
            await writer.wait_closed()
            hung_up.set()

        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        policy = Policy.of(allow_http=True, allow_cidrs=("127.0.0.0/8",))
        async with DeliveryClient(policy) as client:
            try:
                await client.post(url=url, headers=(), body=b"{}", timeout_s=5, may_send=lambda: False)
                unsent = False
            except Unsent:
                unsent = True
        await asyncio.wait_for(hung_up.wait(), 5)
        server.close()
        await server.wait_closed()
        return unsent, bytes(arrived)

    assert asyncio.run(run()) == (True, b"")
