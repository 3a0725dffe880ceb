"""What follows from acknowledgements, which come a batch at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import pytest

from consumers.delivery.outbox import FOLLOWED_A_TURN, Outbox
from tests.unit.budget.edges import writing
from tocsin.deliveries import Decision, Progress
from tocsin.kafka.codec import Encoder
from tocsin.kafka.reader import Record
from tocsin.kafka.topics import Topics

RECORD: Final = Record("deliveries", 0, 0, 1, b"wh", b"value", [], 0)
NO_ENCODER: Final = cast(Encoder, None)  # an effect's value is its source's, unchanged
DECISION: Final = Decision("retry", "5s", Progress(step=1))


def followed(count: int, then: Callable[[int], None]) -> tuple[list[int], BaseException | None]:
    """Acknowledge so many effects at once; return how many were followed after each turn, and what went wrong."""

    async def run() -> tuple[list[int], BaseException | None]:
        with writing() as (writer, _):
            outbox, seen, turns = (
                Outbox(writer, Topics("test"), NO_ENCODER, asyncio.get_running_loop()),
                [],
                [],
            )

            def done(number: int) -> None:
                then(number)
                seen.append(number)

            for number in range(count):
                outbox.effect(RECORD, "driftguard", DECISION, lambda n=number: done(n), lambda: True)  # type: ignore[misc]
            outbox.serve()
            for _ in range(count // FOLLOWED_A_TURN + 2):
                await asyncio.sleep(0)
                turns.append(len(seen))
            assert seen == sorted(seen)
            return turns, outbox.failed

    return asyncio.run(run())


@pytest.mark.parametrize("count", [1, FOLLOWED_A_TURN, 2 * FOLLOWED_A_TURN + 3])
def test_a_turn_of_the_loop_follows_some_and_none_is_forgotten(count: int) -> None:
    """Others have a turn in between: each may mean a write, and fifty of them would hold everybody's answers up."""
    turns, failed = followed(count, lambda number: None)
    steps = [later - earlier for earlier, later in zip([0, *turns], turns, strict=False)]
    assert max(steps) <= FOLLOWED_A_TURN
    assert turns[-1] == count
    assert failed is None


def test_what_an_acknowledgement_leads_to_ends_the_program_when_it_fails() -> None:
    def fail(number: int) -> None:
        if number == 1:
            raise LookupError("a bug")

    turns, failed = followed(FOLLOWED_A_TURN, fail)
    assert isinstance(failed, LookupError)
    assert turns[-1] == 1  # what comes after it must not pretend that nothing happened
