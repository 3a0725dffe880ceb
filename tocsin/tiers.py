"""Delay tiers: the fixed delays a delivery can wait in, one topic each.

They are the union of what the documented systems ask for. One topic has one fixed delay, so that first in is
first due and a delay consumer never has to sort.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

TIERS: Mapping[str, int] = MappingProxyType(
    {
        "5s": 5,
        "25s": 25,
        "1m": 60,
        "5m": 300,
        "15m": 900,
        "30m": 1_800,
        "1h": 3_600,
        "2h": 7_200,
        "12h": 43_200,
        "24h": 86_400,
    }
)
"""Tier name to its delay in seconds, shortest first."""

_NAME = re.compile(r"[1-9][0-9]{0,3}[smhd]")

SHORTEST = next(iter(TIERS))
PARKING_LONGEST = "5m"


def seconds(tier: str) -> int:
    """Return a tier's delay in seconds; KeyError for a name that is no tier."""
    return TIERS[tier]


def is_name(text: str) -> bool:
    """Return whether a text is the name of a tier, of this version's or of another's."""
    return _NAME.fullmatch(text) is not None


def at_least(delay_s: float) -> str:
    """Return the tier to wait in next when `delay_s` seconds remain.

    The largest tier that fits; for what is shorter than every tier, the shortest.
    """
    fitting = [name for name, tier_s in TIERS.items() if tier_s <= delay_s]
    return fitting[-1] if fitting else SHORTEST


def chain(delay_s: int) -> tuple[str, int]:
    """Return the first tier of a chain that waits at least `delay_s`, and the seconds left after it.

    Three hours are `2h` and then `1h`, not `12h`.
    """
    tier = at_least(delay_s)
    return tier, max(0, delay_s - seconds(tier))


def parking(hops: int) -> str:
    """Return the tier in which an overflowing delivery waits at its n-th parking (0 is the first)."""
    ladder = _up_to(PARKING_LONGEST)
    return ladder[min(hops, len(ladder) - 1)]


def _up_to(longest: str) -> list[str]:
    return [name for name, tier_s in TIERS.items() if tier_s <= TIERS[longest]]


def unknown(names: Iterable[str]) -> list[str]:
    """Return those of `names` that are no tier, in their order."""
    return [name for name in names if name not in TIERS]
