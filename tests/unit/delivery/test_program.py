"""What the delivery process does with an attempt, from its beginning to what is decided."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from consumers.delivery import program
from consumers.delivery.breaker import ENDPOINTS_MIN
from consumers.delivery.lanes import Lanes
from consumers.delivery.outcome import Answered, Failed
from consumers.delivery.program import Delivering
from consumers.delivery.work import Work
from tests.unit.delivery.world import PART, Broken, Ending, Member, Never, Silent, delivering_for, read
from tocsin import deliveries
from tocsin.deliveries import Attempt
from tocsin.errors import RegistryUnavailable
from tocsin.kafka.codec import Decoded

TAKEN = Answered(200, (), b"", body_complete=True, duration_s=0.01)
NO_CONNECTION = Failed("connect", "the connection was refused", 0.01)
REFUSED = Failed("refused_by_policy", "the destination is not allowed", 0.0)


async def attempted(delivering: Delivering, works: list[Work]) -> None:
    """Take works, and return once what could start of them has ended."""
    delivering._take(works)
    tasks = [work.task for work in works if work.task is not None]
    assert tasks
    await asyncio.wait(tasks)
    await asyncio.sleep(0)


def test_what_goes_wrong_after_the_answer_ends_the_program() -> None:
    """Else its offset would stand still, and everybody's with it, until somebody restarts the process."""

    async def run() -> BaseException | None:
        member = Member()
        delivering = delivering_for(member, Broken(), Ending(TAKEN), Lanes[Work](10))
        delivering._begin([PART])
        delivering._warm(PART, [])
        await attempted(delivering, [read(member.epoch)])
        return delivering.failed

    assert isinstance(asyncio.run(run()), ValueError)


def test_probe_that_policy_refuses_does_not_end_an_outage() -> None:
    """Nothing was connected to: what is unreachable is so still, and would only have to be found out anew."""

    async def run() -> bool:
        endpoints = Ending(*[NO_CONNECTION] * ENDPOINTS_MIN, REFUSED)
        delivering = delivering_for(Member(), Silent(), endpoints, Lanes[Work](20))
        delivering._begin([PART])
        delivering._warm(PART, [])
        await attempted(delivering, [read(1, f"wh_{number}") for number in range(ENDPOINTS_MIN + 1)])
        assert endpoints.posts == ENDPOINTS_MIN + 1
        return delivering._breaker.open

    assert asyncio.run(run())


async def relieved(*, outage: bool = False, stopping: bool = False) -> list[Attempt]:
    """Return what is decided about work of an endpoint that hangs, in a partition whose window is full."""
    silent, lanes, long_ago_s = Silent(), Lanes[Work](20), time.monotonic() - 60.0
    delivering = delivering_for(Member(), silent, Never(), lanes, stopping=lambda: stopping)
    delivering._begin([PART])
    delivering._warm(PART, [])
    lanes.add(read(1), long_ago_s)
    lanes.take(long_ago_s)
    delivering._breaker.open = outage
    delivering._take([replace(read(1), identity=f"wh:0:{number}") for number in range(50)])
    await delivering._relieve()
    return silent.attempts


@pytest.mark.parametrize(("outage", "fault"), [(False, "subscriber"), (True, "tocsin")])
def test_what_overflows_in_an_outage_of_our_own_is_not_the_subscribers_fault(
    outage: bool, fault: str
) -> None:
    """While nothing is sent no endpoint keeps up, and none is to blame."""
    decisions = [attempt.decision for attempt in asyncio.run(relieved(outage=outage))]
    assert decisions
    assert {(decision.verdict, decision.fault) for decision in decisions} == {("parked", fault)}


def test_nothing_more_is_parked_once_a_stop_was_asked_for() -> None:
    """The next owner reads it again anyway."""
    assert asyncio.run(relieved(stopping=True)) == []


def test_wait_for_the_registry_keeps_the_lease_and_ends_with_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """One record of a schema that is not known must stop neither all other endpoints nor the process's end."""
    monkeypatch.setattr(program, "REGISTRY_AGAIN_S", 0.0)
    asked = 0

    def unavailable(*_: object) -> Decoded:
        nonlocal asked
        asked += 1
        raise RegistryUnavailable("no answer")

    async def run() -> Member:
        member = Member()
        delivering = delivering_for(
            member, Silent(), Never(), Lanes[Work](20), unavailable, stopping=lambda: member.renewed == 3
        )
        delivering.deliver([read(1).record, read(1).record])
        return member

    member = asyncio.run(run())
    assert (member.renewed, asked, member.finished) == (3, 4, [])


@pytest.mark.parametrize(("outcome", "posted"), [(TAKEN, True), (NO_CONNECTION, True), (REFUSED, False)])
def test_post_that_policy_refused_as_it_began_is_none(outcome: Answered | Failed, posted: bool) -> None:
    """As if the address had been refused before: it counts as no try, and not towards disabling the endpoint."""

    async def run() -> Silent:
        silent = Silent()
        delivering = delivering_for(Member(), silent, Ending(outcome), Lanes[Work](20))
        delivering._begin([PART])
        delivering._warm(PART, [])
        await attempted(delivering, [read(1)])
        return silent

    record = deliveries.attempt_record(asyncio.run(run()).attempts[0])
    assert (record["posted"], record["attempt"]) == (posted, int(posted))
