"""When each attempt of each system is made, as its document says."""

from __future__ import annotations

from datetime import timedelta
from itertools import accumulate

import pytest

from tocsin import tiers
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()

# Attempt: the tier waited in before it, and the time since the first attempt.
SCHEDULES: dict[str, list[tuple[str, str]]] = {
    "governlayer": [
        ("1m", "0:01:00"),
        ("5m", "0:06:00"),
        ("30m", "0:36:00"),
        ("2h", "2:36:00"),
        ("12h", "14:36:00"),
    ],
    "driftguard": [("5s", "0:00:05"), ("25s", "0:00:30")],
    "compliancelayer": [
        ("1m", "0:01:00"),
        ("5m", "0:06:00"),
        ("15m", "0:21:00"),
        ("1h", "1:21:00"),
        ("2h", "3:21:00"),
    ],
    "tork": [
        ("1m", "0:01:00"),
        ("5m", "0:06:00"),
        ("30m", "0:36:00"),
        ("2h", "2:36:00"),
        ("24h", "1 day, 2:36:00"),
    ],
    "truthvouch": [
        ("1m", "0:01:00"),
        ("5m", "0:06:00"),
        ("30m", "0:36:00"),
        ("2h", "2:36:00"),
        ("12h", "14:36:00"),
    ],
}


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_schedule_is_the_documented_one(name: str) -> None:
    """Every attempt after the first: its tier, and how long after the first it is made."""
    names = SYSTEMS[name].retries
    since_first = [str(timedelta(seconds=each)) for each in accumulate(tiers.seconds(tier) for tier in names)]
    assert list(zip(names, since_first, strict=True)) == SCHEDULES[name]


def test_every_tier_is_used_by_a_system() -> None:
    """The tiers are the union of what the systems ask for."""
    assert {tier for name in SYSTEMS for tier in SYSTEMS[name].retries} == set(tiers.TIERS)


@pytest.mark.parametrize(
    ("name", "https_only", "disable_after"),
    [
        ("governlayer", False, None),
        ("driftguard", True, None),
        ("compliancelayer", False, 10),
        ("tork", False, None),
        ("truthvouch", False, None),
    ],
)
def test_endpoint_rules_are_the_documented_ones(
    name: str, https_only: bool, disable_after: int | None
) -> None:
    """All allow 30 seconds."""
    system = SYSTEMS[name]
    assert (system.https_only, system.disable_after, system.timeout_s) == (https_only, disable_after, 30)


def test_driftguards_api_is_the_documented_one() -> None:
    """Its path, its limit, its scope, and its answer to a creation, key by key."""
    api = SYSTEMS["driftguard"].api
    assert (api.paths, api.rate_per_minute, api.scope) == (("/api/v1/webhooks",), 100, ("contract_id",))
    assert api.created == ("id", "url", "events", "contract_id", "active", "secret", "created_at")
    assert SYSTEMS["driftguard"].host_formats == {"hooks.slack.com": "slack"}
