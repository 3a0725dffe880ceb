"""The notice of a disabled endpoint: what it says, and that it can be said in every format."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import orjson
import pytest

from consumers.ledger.announcements import DISABLED, notice_of
from consumers.ledger.health import Change
from tocsin import deliveries, events, fanout
from tocsin.health import Health
from tocsin.wire.facts import DeliveryFacts
from tocsin.wire.rendering import render
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()
CHANGE: Final = Change(
    Health(
        "wh_1",
        "acme",
        3,
        True,
        "consecutive_failures",
        1_772_392_920_123,
        10,
        1_772_392_900_000,
        503,
        "HTTP 503",
    ),
    "compliancelayer",
    "https://example.com/hooks",
)
UNANSWERED: Final = replace(
    CHANGE,
    health=replace(CHANGE.health, reason="gone", failing_since_ms=None, last_status=None, last_error=None),
)
EVERY_FORMAT = [(name, format) for name in sorted(SYSTEMS) for format in (None, *sorted(SYSTEMS.formats))]


def test_notice_says_whose_endpoint_was_disabled_why_and_since_when() -> None:
    event, data = notice_of(CHANGE)
    assert (event.type, event.organization, event.subject) == (DISABLED, "acme", "wh_1")
    assert events.rfc3339(event.time) == "2026-03-01T19:22:00.123000Z"
    assert data == {
        "webhook_id": "wh_1",
        "url": "https://example.com/hooks",
        "reason": "consecutive_failures",
        "message": "10 attempts in a row failed",
        "consecutive_failures": 10,
        "failing_since": "2026-03-01T19:21:40.000Z",
        "last_status": 503,
        "last_error": "HTTP 503",
    }


def test_same_change_makes_the_same_event_and_another_one_another() -> None:
    again = replace(CHANGE.health, since_ms=CHANGE.health.since_ms + 1)
    later = replace(CHANGE.health, generation=4)
    ids = [notice_of(replace(CHANGE, health=each))[0].id for each in (CHANGE.health, again, later)]
    assert notice_of(CHANGE) == notice_of(CHANGE)
    assert len(set(ids)) == 3


@pytest.mark.parametrize("change", [CHANGE, UNANSWERED], ids=["answered", "unanswered"])
@pytest.mark.parametrize(("system", "format"), EVERY_FORMAT)
def test_notice_can_be_said_in_every_format_of_every_system(
    system: str, format: str | None, change: Change
) -> None:
    event, data = notice_of(change)
    SYSTEMS[system].notices[DISABLED].check(data)
    wire = SYSTEMS.wire_format(system, format)
    facts = DeliveryFacts(deliveries.delivery_id(event.source, event.type, event.id, "wh_2"), "wh_2")
    body = orjson.loads(render(wire, fanout.facts(event, system), data, facts).body)
    assert "wh_1" in orjson.dumps(body).decode()
