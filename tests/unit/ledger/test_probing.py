"""Which probe of a disabled endpoint is due, and what it sends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.ledger.health import PROBE_SOURCE
from consumers.ledger.probing import Probing, due, probe_of
from tocsin import events
from tocsin.health import Health
from tocsin.kafka.writer import Outgoing
from tocsin.subscriptions import EFFECTIVE_MARGIN_S, Subscription
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()
DISABLED: Final = Health("wh_1", "acme", 3, True, "consecutive_failures", 1_000_000, 10)
SUBSCRIPTION: Final = Subscription("wh_1", "acme", "governlayer", "https://h/", ("*",), 0, 0, 0)


@pytest.mark.parametrize(
    ("after_ms", "number"), [(-5_000, 0), (0, 0), (59_999, 0), (60_000, 1), (119_999, 1), (180_000, 3)]
)
def test_probes_are_counted_from_the_moment_it_was_disabled(after_ms: int, number: int) -> None:
    """A clock that went back makes none due."""
    assert due(DISABLED, DISABLED.since_ms + after_ms, 60_000) == number


def test_endpoint_that_said_gone_is_not_probed_nor_any_where_probing_is_off() -> None:
    assert due(replace(DISABLED, reason="gone"), 1 << 41, 60_000) == 0
    assert due(DISABLED, 1 << 41, 0) == 0


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_probe_is_a_test_event_of_its_system(system: str) -> None:
    event, data = probe_of(DISABLED, SYSTEMS[system], 1, 60_000)
    events.check(event)
    assert (event.source, event.organization) == (PROBE_SOURCE, "acme")
    assert event.type in SYSTEMS[system].event_types
    documented = SYSTEMS[system].test.data
    assert data == (documented or SYSTEMS[system].event_types[event.type].example)


@given(st.integers(1, 1_000), st.integers(1, 1_000))
def test_same_probe_is_the_same_event_whoever_sends_it(first: int, second: int) -> None:
    ids = [probe_of(DISABLED, SYSTEMS["tork"], number, 60_000)[0].id for number in (first, second)]
    assert (ids[0] == ids[1]) == (first == second)


class Tables:
    """What is disabled, as tables of a certain age tell it."""

    def __init__(self) -> None:
        self.old_s = 0.0

    def age_s(self) -> float:
        return self.old_s

    def disabled(self) -> list[tuple[Subscription, Health]]:
        return [(SUBSCRIPTION, DISABLED)]


class Keeping:
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[Outgoing] = []

    def write(self, record: Outgoing, done: Any) -> None:
        self.kept.append(record)


def probing(tables: Tables, writer: Keeping) -> Probing:
    return Probing(
        60.0, cast(Any, tables), SYSTEMS, cast(Any, writer), "deliveries", cast(Any, lambda record: b"")
    )


def test_nobody_is_probed_while_it_is_not_known_who_is_disabled() -> None:
    tables, writer = Tables(), Keeping()
    one = probing(tables, writer)
    tables.old_s = EFFECTIVE_MARGIN_S + 0.1
    one.turn(DISABLED.since_ms + 60_000)
    assert not writer.kept
    tables.old_s = 0.0
    one.turn(DISABLED.since_ms + 60_000)
    one.turn(DISABLED.since_ms + 61_000)
    assert [record.key for record in writer.kept] == [b"wh_1"]


def test_endpoint_whose_format_is_not_here_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    tables, writer = Tables(), Keeping()
    monkeypatch.setattr(Tables, "disabled", lambda _: [(replace(SUBSCRIPTION, format="nonesuch"), DISABLED)])
    probing(tables, writer).turn(DISABLED.since_ms + 60_000)
    assert not writer.kept
