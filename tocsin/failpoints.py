"""Named places where a process can be made to die, so that tests can kill it between any two of its promises.

`TOCSIN_FAILPOINT=delivery.after_2xx:0.002,reader.in_commit:#3` kills with a probability of 0.002 at each hit of the
first and at the third hit of the second. Without `TOCSIN_FAILPOINTS_ARE_FOR_TESTS=1` nothing starts: a failpoint left
over in a production environment is a mistake to be told, not to be obeyed nor to be passed over.

The end is a SIGKILL: no handler runs, no buffer is flushed, no commit is made, as when the machine is gone.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.errors import ConfigurationError

VARIABLE: Final = "TOCSIN_FAILPOINT"
PERMISSION: Final = "TOCSIN_FAILPOINTS_ARE_FOR_TESTS"

POINTS: Final[Mapping[str, str]] = {
    "reader.after_poll": "records were fetched, nothing was done about them",
    "reader.before_commit": "there is something to commit, the broker was not asked",
    "reader.in_commit": "the commit is on its way, its answer is not known",
    "reader.in_revoke": "the open work of a revoked partition has ended, its last commit is not made",
    "router.after_first_write": "one delivery of an event is acknowledged, others are not",
    "delivery.after_send": "a POST was begun, its answer is not known",
    "delivery.after_2xx": "the endpoint has accepted, nothing says so yet",
    "delivery.after_decision": "the attempt is acknowledged, its effect is not written",
    "delivery.after_delay_write": "the record in the delay topic is acknowledged, its source is not finished",
    "delivery.after_dlq_write": "the dead letter is acknowledged, its source is not finished",
    "delay.before_due": "a record waits in memory",
    "delay.after_write": "what became due is acknowledged, its source is not finished",
    "replay.half_way": "some letters of a job are written, no checkpoint says so",
    "ledger.after_write": "the store has committed rows and positions, the group was not told",
    "control.before_answer": "what was asked for is acknowledged by the broker, the caller does not know it",
    "gateway.before_answer": "the events of a request are acknowledged by the broker, the caller does not know it",
}
"""Every failpoint, and what is true there. `reader.*` is in every program that reads as a member of a group."""

Chance = Callable[[], float]


@dataclass(slots=True)
class Failpoint:
    """One armed failpoint.

    Attributes:
        probability: Of dying at a hit; 0 when `at_hit` decides.
        at_hit: The hit, counted from 1, at which it dies; 0 when `probability` decides.
        hits: How often the place was passed.
    """

    probability: float = 0.0
    at_hit: int = 0
    hits: int = 0

    def fires(self, chance: Chance) -> bool:
        """Count a hit and return whether the process dies now."""
        self.hits += 1
        return self.hits == self.at_hit or (self.probability > 0 and chance() < self.probability)


_armed: dict[str, Failpoint] = {}
_chance: Chance = random.SystemRandom().random


def arm(environment: Mapping[str, str]) -> None:
    """Arm what the environment names; called once, when a program starts.

    Raises:
        ConfigurationError: A failpoint is unknown or malformed, or nobody said that this is a test.
    """
    _armed.clear()
    text = environment.get(VARIABLE, "")
    if text and environment.get(PERMISSION) != "1":
        raise ConfigurationError(
            VARIABLE, "", f"kills this process; it is for tests, which also set {PERMISSION}=1"
        )
    _armed.update(parse(text))


def parse(text: str) -> dict[str, Failpoint]:
    """Read failpoints, `name:probability` or `name:#hit`, several by comma.

    Raises:
        ConfigurationError: One is unknown or malformed.
    """
    return dict(_one(piece.strip()) for piece in text.split(",") if piece.strip())


def hit(name: str) -> None:
    """Die here if this failpoint is armed and its time has come; nearly free otherwise."""
    if _armed and (point := _armed.get(name)) is not None and point.fires(_chance):
        os.kill(os.getpid(), signal.SIGKILL)


def _one(piece: str) -> tuple[str, Failpoint]:
    name, _, when = piece.partition(":")
    if name not in POINTS:
        raise ConfigurationError(VARIABLE, name, f"is none of {', '.join(POINTS)}")
    try:
        point = (
            Failpoint(at_hit=int(when[1:])) if when.startswith("#") else Failpoint(probability=float(when))
        )
    except ValueError:
        point = Failpoint()
    if point.at_hit < 1 and not 0 < point.probability <= 1:
        raise ConfigurationError(
            VARIABLE, name, f"{when!r} is neither a probability such as 0.002 nor a hit such as #3"
        )
    return name, point
