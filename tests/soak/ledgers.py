"""What the soak writes down while it runs: what was promised, what arrived, what the log says.

Times are milliseconds since the epoch: everything runs on one machine, so one clock wrote them all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

Behaviour = Literal["healthy", "flaky", "busy", "slow", "failing", "gone"]


@dataclass(frozen=True, slots=True)
class Published:
    """An event that the broker acknowledged to its publisher; `sent_ms` is when it was first tried."""

    event_id: str
    event_type: str
    system: str
    organization: str
    sent_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscription and the endpoint behind it; events sent from `effective_ms` on are certain to reach it."""

    id: str
    organization: str
    system: str
    patterns: tuple[str, ...]
    behaviour: Behaviour
    secret: str = field(repr=False)
    effective_ms: float = 0.0

    def wants(self, event: Published) -> bool:
        """Whether an event is for it, told apart from what the router thinks about that."""
        return (
            self.organization == event.organization
            and self.system == event.system
            and any(_fits(pattern, event.event_type) for pattern in self.patterns)
        )


@dataclass(frozen=True, slots=True)
class Post:
    """A request as an endpoint saw it.

    Attributes:
        subscription: Whose endpoint it came to.
        delivery_id: As the request says.
        event_id: As its payload says.
        body: Digest of its body.
        status: How it was answered.
    """

    subscription: str
    delivery_id: str
    event_id: str
    body: bytes
    status: int
    at_ms: float


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt record: a decision about one identity.

    Attributes:
        next_tier: Where it waits next.
        posted: Whether a POST belongs to it.
        started_ms: When that POST began.
        decided_ms: When the record was handed to the broker.
    """

    delivery_id: str
    run: str
    step: int
    verdict: str
    next_tier: str | None
    posted: bool
    started_ms: float
    decided_ms: float
    live: bool = True

    @property
    def identity(self) -> tuple[str, str, int]:
        """What is decided once."""
        return self.delivery_id, self.run, self.step


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter."""

    delivery_id: str
    run: str
    reason: str


@dataclass(frozen=True, slots=True)
class Crash:
    """A delivery process that could not decide any more about the POSTs it had open.

    Attributes:
        at_ms: When it happened, or the last moment at which it had not.
        seen_ms: The first moment at which it certainly had.
    """

    what: str
    at_ms: float
    seen_ms: float


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Everything the auditor compares.

    Attributes:
        disabled: Subscriptions that were disabled for their health at some time.
        routed: Deliveries, by id, that the router wrote.
    """

    published: Sequence[Published]
    subscribers: Sequence[Subscriber]
    posts: Sequence[Post]
    tried: Sequence[Tried]
    letters: Sequence[Letter]
    crashes: Sequence[Crash]
    refused: Sequence[str] = ()
    disabled: Collection[str] = ()
    routed: Collection[str] = ()


def _fits(pattern: str, event_type: str) -> bool:
    return pattern in ("*", event_type) or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
