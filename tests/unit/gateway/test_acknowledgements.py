"""How the ends of writes reach the request that waits for them."""

from __future__ import annotations

import asyncio
import threading

from producers.gateway.acknowledgements import Acknowledgements, Batch
from tocsin.kafka.writer import Written

STORED = Written(0, 1)
REFUSED = Written(-1, -1, "too large")


def end(*ends: tuple[int, Written]) -> tuple[bytes, bool, float]:
    """End the writes of a request of two on another thread: what is acknowledged, whether it woke, and when."""

    async def wait() -> tuple[bytes, bool, float]:
        acknowledgements = Acknowledgements(lambda: 7.0)
        batch = acknowledgements.expect(2)
        thread = threading.Thread(target=lambda: [batch.done(place)(written) for place, written in ends])
        thread.start()
        thread.join()
        done, _ = await asyncio.wait([batch.ended], timeout=0.05)
        return bytes(batch.acknowledged), bool(done), acknowledgements.last_s

    return asyncio.run(wait())


def test_request_wakes_once_all_of_its_writes_have_ended() -> None:
    assert end((1, STORED), (0, STORED)) == (b"\1\1", True, 7.0)
    assert end((1, STORED)) == (b"\0\1", False, 7.0)


def test_write_that_the_broker_refused_has_ended_and_is_not_acknowledged() -> None:
    assert end((0, STORED), (1, REFUSED)) == (b"\1\0", True, 7.0)
    assert end((0, REFUSED), (1, REFUSED)) == (b"\0\0", True, float("-inf"))


def test_ends_after_the_request_has_gone_do_no_harm() -> None:
    async def leave() -> None:
        acknowledgements = Acknowledgements(lambda: 0.0)
        gone, waiting = acknowledgements.expect(1), acknowledgements.expect(1)
        gone.ended.cancel()
        gone.done(0)(STORED)
        waiting.done(0)(STORED)
        await asyncio.wait_for(waiting.ended, 5.0)

    asyncio.run(leave())


def test_end_after_the_loop_is_closed_does_no_harm() -> None:
    acknowledgements = Acknowledgements(lambda: 0.0)

    async def begin() -> Batch:
        return acknowledgements.expect(1)

    asyncio.run(begin()).done(0)(STORED)
