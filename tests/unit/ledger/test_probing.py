"""Which probe of a disabled endpoint is due, and what it sends."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.ledger.health import PROBE_SOURCE
from consumers.ledger.probing import due, probe_of
from tocsin import events
from tocsin.health import Health
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()
DISABLED: Final = Health("wh_1", "acme", 3, True, "consecutive_failures", 1_000_000, 10)


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
