"""More partitions for the topics of an installation, in place and while nobody works on them.

A record stays in the partition it is in, and so do the decisions about it: `tocsin.attempts` is written by partition number,
not by key. Only what is written afterwards goes elsewhere. That forks nothing as long as nobody repeats a write from before:
so the programs that write by key must have stopped, and each of them by itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import NewPartitions

from tocsin.errors import ConfigurationError, KafkaUnavailable
from tocsin.kafka import clients, groups, topics
from tocsin.kafka.topics import Topics
from tocsin.settings import Settings

STOPPED: Final = ("router", "delivery", "delay", "replay")
"""What has to stand still: who writes records by their subscription."""
_ANSWER_S: Final = 10.0
_AGAIN_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Growth:
    """What is to be done.

    Attributes:
        before: Topic to the partitions that it has, for every topic that gets more.
        partitions: How many each gets.
    """

    before: Mapping[str, int]
    partitions: int

    @property
    def earlier(self) -> list[int]:
        """The partition counts that `TOCSIN_PARTITIONS_EARLIER` has to name from now on."""
        return sorted(set(self.before.values()))


def plan(settings: Settings, systems: Iterable[str], partitions: int) -> Growth:
    """Return what it takes to give every topic but the tables so many partitions.

    Raises:
        ConfigurationError: A topic has more already, or is missing.
        KafkaUnavailable: No answer.
    """
    try:
        known = clients.admin(settings).list_topics(timeout=_ANSWER_S).topics
    except KafkaException as error:
        raise clients.unavailable("", error) from error
    names = [spec.name for spec in Topics(settings.topic_prefix).specs(systems) if spec.partitions is None]
    return growth_of(
        {name: len(known[name].partitions) if name in known else 0 for name in names}, partitions
    )


def growth_of(sizes: Mapping[str, int], partitions: int) -> Growth:
    """Return what is to be done to topics of these sizes; raises ConfigurationError as `plan`. Pure."""
    for name, size in sizes.items():
        if size == 0:
            raise ConfigurationError(name, "", "is missing: `tocsin topics create` makes it")
        if size > partitions:
            raise ConfigurationError(name, "", f"has {size} partitions, and Kafka cannot take any away")
    return Growth({name: size for name, size in sizes.items() if size < partitions}, partitions)


def require_stopped(settings: Settings) -> None:
    """Return if no program works that writes records by their subscription.

    Raises:
        ConfigurationError: A group has members; the message names it.
        KafkaUnavailable: No answer.
    """
    names = [Topics(settings.topic_prefix).group(name) for name in STOPPED]
    for group, members in groups.members(settings, names).items():
        if members:
            raise ConfigurationError(
                group,
                "",
                f"{members} run: stop them first; one that was killed counts until its session is over",
            )


def carry_out(settings: Settings, growth: Growth, timeout_s: float = 30.0) -> None:
    """Make the partitions and return once every one answers. What is done already is left alone: it may be repeated.

    Raises:
        KafkaUnavailable: The broker did not make them, or they do not answer within `timeout_s`.
    """
    if not growth.before:
        return
    admin, deadline_s = clients.admin(settings), time.monotonic() + timeout_s
    wanted = [NewPartitions(name, growth.partitions) for name in growth.before]
    try:
        for future in admin.create_partitions(wanted, operation_timeout=timeout_s).values():
            future.result()
    except KafkaException as error:
        raise clients.unavailable("not every partition was made", error) from error
    while not topics.led(admin, dict.fromkeys(growth.before, growth.partitions)):
        if time.monotonic() > deadline_s:
            raise KafkaUnavailable(f"partitions were made but do not answer after {timeout_s:.0f} s")
        time.sleep(_AGAIN_S)
