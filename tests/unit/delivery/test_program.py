"""What the delivery process does with an attempt, from its beginning to what is decided."""

from __future__ import annotations

import asyncio

from consumers.delivery.lanes import Lanes
from consumers.delivery.work import Work
from tests.unit.delivery.world import PART, Answering, Broken, Member, delivering_for, read


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
