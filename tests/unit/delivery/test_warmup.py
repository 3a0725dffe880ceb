"""How far back decisions are read when a partition is taken over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumers.delivery import warmup
from tocsin.kafka.window import Mark


def start(offset: int, error: KafkaError | None) -> int:
    """Return where reading starts in a log of 10, of a partition that was never committed."""
    place = SimpleNamespace(offset=offset, error=error)
    client: Any = SimpleNamespace(offsets_for_times=lambda asked, timeout: [place])
    return warmup._start(client, "attempts", 0, Mark(0, 0), 10)


@pytest.mark.parametrize(("offset", "first"), [(4, 4), (-1, 10)])
def test_decisions_of_the_last_minutes_are_read(offset: int, first: int) -> None:
    assert start(offset, None) == first


def test_nothing_is_taken_for_undecided_where_nobody_can_say_when_decisions_were_made() -> None:
    """It would be sent again."""
    with pytest.raises(KafkaException):
        start(-1, KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
