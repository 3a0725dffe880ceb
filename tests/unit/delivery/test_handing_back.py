"""What delivery hands back undecided is not lost, though it comes back to the same process."""

from __future__ import annotations

import asyncio
import time

import pytest

from consumers.delivery.client import DeliveryClient
from consumers.delivery.lanes import Lanes
from consumers.delivery.program import STARTS_A_TURN
from consumers.delivery.transport import Unsent
from consumers.delivery.work import Work
from tests.unit.delivery.world import PART, Member, Never, Silent, delivering_for, read
from tocsin.destinations import Policy
from tocsin.kafka.reader import Record


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


def test_process_that_was_frozen_while_it_handed_back_goes_on() -> None:
    """It wakes up far behind the deadline, and the thread that waits may be the first to run."""

    async def run() -> bool:
        delivering = delivering_for(Member(), Silent(), Never(), Lanes[Work](10))
        delivering._begin([PART])
        await asyncio.to_thread(delivering.revoking, [PART], time.monotonic() - 60.0)
        return PART in delivering._open

    assert not asyncio.run(run())
