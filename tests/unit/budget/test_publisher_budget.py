"""What one event costs whoever publishes it, counted."""

from __future__ import annotations

from typing import Final

import pytest

from tests.unit.budget.counting import OURS, counting
from tests.unit.budget.edges import Shelf
from tocsin import Publisher, publisher
from tocsin.settings import Settings
from tocsin.wire.systems import load_systems

EXAMPLE: Final = load_systems()["governlayer"].event_types["drift.alert"].example
COUNT: Final = 200
WITHIN_S: Final = 30.0
OURS_MOST: Final = 22
"""Calls of our own for an event, on the thread that publishes."""
ALL_MOST: Final = 58


def test_published_event_takes_no_more_calls_than_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """And asks the registry nothing, once its type has been published; each has an id of its own."""
    registry = Shelf()
    monkeypatch.setattr(publisher, "Registry", lambda *_, **__: registry)
    settings = Settings(_env_file=None, kafka_options={"test.mock.num.brokers": "1"})  # type: ignore[call-arg]
    ids: set[str] = set()
    with Publisher("governlayer", source="/budget", settings=settings) as publishing:

        def publish(count: int) -> None:
            sent = [publishing.send("drift.alert", EXAMPLE, organization="acme") for _ in range(count)]
            ids.update(future.result(WITHIN_S).event_id for future in sent)

        publish(10)
        asked = registry.asked
        with counting() as calls:
            publish(COUNT)
    assert len(ids) == 10 + COUNT
    assert registry.asked == asked
    assert calls.each(COUNT, *OURS) <= OURS_MOST, calls.told(COUNT)
    assert calls.each(COUNT) <= ALL_MOST, calls.told(COUNT)
