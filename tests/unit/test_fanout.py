"""One event for many subscriptions: the same bytes wherever they can be, an id for each delivery."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from tocsin.deliveries import Delivery, delivery_id
from tocsin.errors import RenderError
from tocsin.events import Event
from tocsin.fanout import FanOut, single
from tocsin.intake import Arrived
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()
MOMENT = datetime(2026, 11, 21, 9, 30, 0, 123_456, tzinfo=UTC)


def arrived(system: str, **changes: Any) -> Arrived:
    """Return the example of a system's first event type, as it arrives."""
    known = min(SYSTEMS[system].event_types.values(), key=lambda event_type: event_type.name)
    event = Event("e1", "/tests", known.name, MOMENT, "acme", **changes)
    return Arrived(event, known.example, SYSTEMS[system])


def subscription(name: str, system: str, format_: str | None = None) -> Subscription:
    return Subscription(
        id=name,
        organization="acme",
        system=system,
        format=format_,
        url="https://example.com/",
        event_types=("*",),
        created_at=0,
        updated_at=0,
        effective_at=0,
        offset=42,
    )


def fan_out(system: str, *subscriptions: Subscription) -> tuple[list[Delivery], FanOut]:
    made = FanOut(arrived(system), subscriptions, SYSTEMS)
    return list(made), made


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_every_subscription_gets_a_delivery_of_its_own(system: str) -> None:
    made, out = fan_out(system, subscription("a", system), subscription("b", system))
    assert [each.subscription_id for each in made] == ["a", "b"]
    assert not out.refused
    for each in made:
        name = arrived(system).event.type
        assert each.delivery_id == str(delivery_id("/tests", name, "e1", each.subscription_id))
        assert (each.organization, each.system, each.event_id) == ("acme", system, "e1")
        assert (each.subscription_offset, each.format) == (42, None)
        assert each.event_time == 1_795_253_400_123
        assert orjson.loads(each.body)


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_body_is_rendered_once_unless_it_speaks_of_the_delivery(system: str) -> None:
    """The bytes are shared where two subscribers may get the same, and never where they may not."""
    (first, second), _ = fan_out(system, subscription("a", system), subscription("b", system))
    shared = first.body is second.body
    assert shared is not SYSTEMS[system].wire.depends_on_delivery
    if not shared:
        assert (first.body, first.headers) != (second.body, second.headers)


def test_every_open_format_goes_beside_the_systems_own() -> None:
    chosen = [None, *sorted(SYSTEMS.formats)]
    made, out = fan_out("governlayer", *(subscription(str(each), "governlayer", each) for each in chosen))
    assert [each.format for each in made] == chosen
    assert len({each.body for each in made}) > 1
    assert not out.refused


def test_format_that_cannot_be_made_is_refused_by_name_and_the_others_go_out() -> None:
    made, out = fan_out(
        "governlayer",
        subscription("a", "governlayer", "nonesuch"),
        subscription("b", "governlayer"),
        subscription("c", "governlayer", "nonesuch"),
    )
    assert [each.subscription_id for each in made] == ["b"]
    assert list(out.refused) == ["nonesuch"]


def test_single_delivery_is_the_one_that_the_router_makes_or_a_reason() -> None:
    mine = subscription("a", "governlayer")
    (routed,), _ = fan_out("governlayer", mine)
    assert single(arrived("governlayer"), mine, SYSTEMS) == routed
    with pytest.raises(RenderError, match="no such wire format"):
        single(arrived("governlayer"), subscription("a", "governlayer", "nonesuch"), SYSTEMS)


def test_what_is_refused_from_outside_is_not_tried_again() -> None:
    """A delivery that is too large for a record is too large for everybody in its format."""
    out = FanOut(
        arrived("governlayer"),
        [
            subscription("a", "governlayer"),
            subscription("b", "governlayer"),
            subscription("c", "governlayer", "slack"),
        ],
        SYSTEMS,
    )
    made = []
    for each in out:
        made.append(each.subscription_id)
        if each.subscription_id == "a":
            out.refuse(each, "too large")
    assert made == ["a", "c"]
    assert out.refused == {"governlayer": "too large"}
