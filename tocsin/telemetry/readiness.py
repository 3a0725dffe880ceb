"""Whether a program makes progress, which is more than that it runs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Standing:
    """How a program stands. What it does not have counts as well: no tables are current, no group is joined.

    Attributes:
        tick_age_s: How long ago its loop came round last.
        table_age_s: How long ago the oldest of its tables was certainly complete.
        joined: Its group has given it partitions, or none.
        leads: Its lease holds, or it has nothing yet by which it could.
        still_s: For how long nothing has ended although something is open.
        silence_s: For how long Kafka has acknowledged nothing although writes are owed.
    """

    tick_age_s: float = 0.0
    table_age_s: float = 0.0
    joined: bool = True
    leads: bool = True
    still_s: float = 0.0
    silence_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a program may take, in seconds.

    Attributes:
        tick_s: A stop or a handing back of partitions takes 3 s of it.
        table_s: Tables are checked five times a second.
        still_s: What takes longest, a POST, takes 32 s.
    """

    tick_s: float = 10.0
    table_s: float = 5.0
    still_s: float = 60.0
    silence_s: float = 5.0


BOUNDS: Final = Bounds()


def faults(standing: Standing | None, bounds: Bounds = BOUNDS) -> list[str]:
    """Return why a program is not ready, in words; none if it is.

    Args:
        standing: How it stands; None while it starts.
        bounds: What it may take.
    """
    if standing is None:
        return ["it is starting"]
    late = (
        (standing.tick_age_s, bounds.tick_s, "its loop has not come round"),
        (standing.table_age_s, bounds.table_s, "its tables are not known to be complete"),
        (standing.still_s, bounds.still_s, "nothing has ended of what is open"),
        (standing.silence_s, bounds.silence_s, "Kafka has acknowledged nothing of what was written"),
    )
    found = [f"{words} for {age_s:.0f} s" for age_s, most_s, words in late if age_s > most_s]
    if not standing.joined:
        found.append("it is not in its group yet")
    if not standing.leads:
        found.append("its lease has run out: Kafka does not confirm that it is in its group")
    return found
