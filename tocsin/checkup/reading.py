"""How an installation is read: what there is, asked of the brokers, the registry and this machine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from tocsin import tiers
from tocsin.checkup.checks import Wanted
from tocsin.checkup.state import DiskState, GroupState, Installation, PartitionState, TopicState
from tocsin.errors import RegistryUnavailable
from tocsin.kafka import clients, clock, codec, groups, pipeline, snapshot
from tocsin.kafka.pipeline import RECORDS
from tocsin.kafka.registry import BACKWARD, Registry
from tocsin.kafka.topics import Topics
from tocsin.settings import Settings
from tocsin.wire.systems import Systems

PROGRAMS: Final = ("router", "delivery", "delay", "replay", "ledger")
"""Programs that are a consumer group."""

_ANSWER_S: Final = 10.0
_READ_S: Final = 2.0


def wanted(settings: Settings, systems: Systems) -> Wanted:
    """Return what should be in an installation that serves these systems."""
    topics = Topics(settings.topic_prefix)
    own = {
        codec.subject(getattr(topics, placed.topic), pipeline.schema(name)): placed.compatibility
        for name, placed in RECORDS.items()
    }
    events = {
        codec.subject(topics.events(name), event_type.schema): BACKWARD
        for name, system in systems.items()
        for event_type in system.catalogue()
    }
    return Wanted(
        specs=topics.specs(systems),
        partitions=settings.partitions,
        rules=own | events,
        delays_s={topics.delay(tier): float(delay_s) for tier, delay_s in tiers.TIERS.items()},
    )


def read(settings: Settings, registry: Registry, asked: Wanted, paths: Iterable[Path]) -> Installation:
    """Return an installation as it is.

    Args:
        asked: What should be: only that is looked for.
        paths: Files or folders whose disks are looked at.

    Raises:
        KafkaUnavailable: No broker answers.
    """
    admin = clients.admin(settings)
    try:
        brokers, topics = _topics(admin, {spec.name for spec in asked.specs})
        found = {program: _group(settings, program, topics) for program in PROGRAMS}
    except KafkaException as error:
        raise clients.unavailable("", error) from error
    rules, registry_error = _rules(registry, asked.rules)
    return Installation(
        brokers=brokers,
        topics=topics,
        rules=rules,
        registry_error=registry_error,
        groups=found,
        skew_s=_skew_s(settings, topics),
        disks=tuple(_disk(path) for path in paths),
    )


def _topics(admin: AdminClient, names: set[str]) -> tuple[tuple[int, ...], dict[str, TopicState]]:
    known = admin.list_topics(timeout=_ANSWER_S)
    present = sorted(names & known.topics.keys())
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in present]
    configs = {
        resource.name: {name: entry.value for name, entry in future.result().items()}
        for resource, future in (admin.describe_configs(asked) if asked else {}).items()
    }
    states = {name: _topic(known.topics[name], configs[name]) for name in present}
    return tuple(sorted(known.brokers)), states


def _topic(metadata: Any, config: Mapping[str, str]) -> TopicState:
    partitions = metadata.partitions.values()
    return TopicState(
        partitions=len(partitions),
        replication=min((len(each.replicas) for each in partitions), default=0),
        in_sync=min((len(each.isrs) for each in partitions), default=0),
        leaderless=sum(each.leader < 0 for each in partitions),
        config=config,
    )


def _group(settings: Settings, program: str, topics: Mapping[str, TopicState]) -> GroupState:
    name = Topics(settings.topic_prefix).group(program)
    committed = groups.committed(settings, name)
    ends = {topic: snapshot.ends(settings, topic) for topic in committed if topic in topics}
    late = {
        (topic, partition): (offset, ends[topic][partition] - offset)
        for topic, offsets in committed.items()
        for partition, offset in offsets.items()
        if ends.get(topic, {}).get(partition, 0) > offset
    }
    oldest = _ages_s(settings, {place: offset for place, (offset, _) in late.items()})
    states = {place: PartitionState(lag, oldest.get(place)) for place, (_, lag) in late.items()}
    return GroupState(groups.members(settings, [name])[name], states)


def _ages_s(settings: Settings, places: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], float]:
    """Return how long ago the records at these places were written; one that does not come in time is left out."""
    if not places:
        return {}
    consumer = clients.plain_consumer(
        settings, **{"fetch.message.max.bytes": 1_024, "queued.min.messages": 1}
    )
    try:
        consumer.assign([TopicPartition(topic, part, offset) for (topic, part), offset in places.items()])
        return _first_ages_s(consumer, len(places))
    finally:
        consumer.close()


def _first_ages_s(consumer: Consumer, count: int) -> dict[tuple[str, int], float]:
    ages: dict[tuple[str, int], float] = {}
    until_s = time.monotonic() + _READ_S
    while len(ages) < count and time.monotonic() < until_s:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            place = message.topic() or "", message.partition() or 0
            ages.setdefault(place, max(time.time() - message.timestamp()[1] / 1000, 0.0))
    return ages


def _rules(registry: Registry, subjects: Iterable[str]) -> tuple[dict[str, str | None], str | None]:
    try:
        return {subject: registry.rule(subject) for subject in subjects}, None
    except RegistryUnavailable as error:
        return {}, str(error)


def _skew_s(settings: Settings, topics: Mapping[str, TopicState]) -> float | None:
    name = Topics(settings.topic_prefix).clock
    return clock.skew_s(settings, name) if name in topics else None


def _disk(path: Path) -> DiskState:
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    usage = shutil.disk_usage(there)
    return DiskState(str(path), usage.total, usage.free)
