"""An installation as it was found at one moment. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is.

    Attributes:
        partitions: How many.
        replication: The fewest replicas that a partition has.
        in_sync: The fewest replicas of a partition that are in sync.
        leaderless: Partitions without a leader.
        config: Its settings, those that are defaults too.
    """

    partitions: int
    replication: int = 1
    in_sync: int = 1
    leaderless: int = 0
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartitionState:
    """How far a group has come in a partition.

    Attributes:
        lag: Records from the lowest that is not finished to the end.
        oldest_s: How long ago that lowest one was written; None if there is none.
    """

    lag: int
    oldest_s: float | None = None


@dataclass(frozen=True, slots=True)
class GroupState:
    """A consumer group.

    Attributes:
        members: Processes in it.
        partitions: Topic and partition to how far it has come there.
    """

    members: int
    partitions: Mapping[tuple[str, int], PartitionState] = field(default_factory=dict)

    @property
    def lag(self) -> int:
        """Records that are not finished, over all partitions."""
        return sum(state.lag for state in self.partitions.values())


@dataclass(frozen=True, slots=True)
class DiskState:
    """A disk of this machine."""

    path: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Installation:
    """What was found.

    Attributes:
        brokers: Ids of the brokers that answer.
        topics: Those that there are.
        rules: Subject to its compatibility rule; None where the subject is not registered.
        registry_error: Why the registry was not asked, or None.
        groups: Program to its consumer group.
        skew_s: By how much this machine's clock is ahead of the broker's; None if that is not known.
        disks: Disks of this machine that something of ours is on.
    """

    brokers: tuple[int, ...]
    topics: Mapping[str, TopicState]
    rules: Mapping[str, str | None] = field(default_factory=dict)
    registry_error: str | None = None
    groups: Mapping[str, GroupState] = field(default_factory=dict)
    skew_s: float | None = None
    disks: tuple[DiskState, ...] = ()
