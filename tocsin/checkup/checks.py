"""What is wrong with an installation, and what mends it. Pure: a finding is made of what was found and what should be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tocsin.checkup.state import Installation, TopicState
from tocsin.kafka.clock import SKEW_MAX_S
from tocsin.kafka.topics import TopicSpec

Level = Literal["problem", "warning"]
"""A problem breaks a promise, now or at the next fault; a warning is for somebody to judge."""

SKEW_WARN_S: Final = 2.0
STUCK_S: Final = 300.0
"""How long a record may be the oldest that is not finished. An endpoint that hangs is parked well before."""
LAG_MOST: Final = 100_000
DISK_WARN: Final = 0.2
DISK_FULL: Final = 0.05


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should be.

    Attributes:
        specs: Every topic.
        partitions: Of topics that say nothing else.
        rules: Subject to its compatibility rule.
        delays_s: Delay topic to its delay.
    """

    specs: Sequence[TopicSpec]
    partitions: int
    rules: Mapping[str, str]
    delays_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        check: Which check found it.
        about: The topic, group, subject or disk.
        said: What is wrong.
        remedy: What mends it.
    """

    level: Level
    check: str
    about: str
    said: str
    remedy: str


Check = Callable[[Installation, Wanted], Iterable[Finding]]


def examine(found: Installation, wanted: Wanted) -> list[Finding]:
    """Return all that is wrong, problems first."""
    findings = [finding for check in CHECKS.values() for finding in check(found, wanted)]
    return sorted(findings, key=lambda finding: finding.level != "problem")


def brokers(found: Installation, wanted: Wanted) -> Iterator[Finding]:
    """One broker is one disk."""
    if len(found.brokers) < 3:
        many = "one broker" if len(found.brokers) == 1 else f"{len(found.brokers)} brokers"
        said = f"{many}: what is acknowledged is lost with a disk"
        yield Finding("warning", "brokers", "cluster", said, "run three or more, with TOCSIN_REPLICATION=3")


def existence(found: Installation, wanted: Wanted) -> Iterator[Finding]:
    """Every topic is there, with as many partitions as those it works together with, and a leader for each."""
    for spec in wanted.specs:
        topic = found.topics.get(spec.name)
        if topic is None:
            yield Finding("problem", "topics", spec.name, "is missing", "`tocsin topics create` makes it")
            continue
        if topic.leaderless:
            said = f"{topic.leaderless} of {topic.partitions} partitions have no leader"
            yield Finding("problem", "topics", spec.name, said, "bring the brokers back that hold them")
        expected = spec.partitions or wanted.partitions
        if topic.partitions != expected:
            yield _partitions(spec, topic, expected)


def durability(found: Installation, wanted: Wanted) -> Iterator[Finding]:
    """An acknowledgement means two disks, and one broker may be away."""
    for name, topic in _known(found, wanted):
        least = int(topic.config.get("min.insync.replicas", "1"))
        if topic.in_sync < topic.replication:
            said = f"a partition has {topic.in_sync} of {topic.replication} replicas in sync"
            level: Level = "problem" if topic.in_sync < least else "warning"
            yield Finding(level, "replication", name, said, "bring the missing broker back, or reassign")
        if topic.replication >= 3 and least < 2:
            said = f"min.insync.replicas is {least}: an acknowledged record may be on one disk"
            yield Finding("problem", "replication", name, said, _set(name, "min.insync.replicas", "2"))
        elif topic.replication > 1 and least >= topic.replication:
            said = (
                f"min.insync.replicas is {least} of {topic.replication}: nothing is written while one is away"
            )
            remedy = _set(name, "min.insync.replicas", str(topic.replication - 1))
            yield Finding("problem", "replication", name, said, remedy)
        elif topic.replication < 3 <= len(found.brokers):
            said = f"{topic.replication} replicas on {len(found.brokers)} brokers"
            yield Finding("warning", "replication", name, said, "reassign its partitions with three replicas")


def retention(found: Installation, wanted: Wanted) -> Iterator[Finding]:
    """Nothing is deleted before it was due and an outage is over."""
    for spec in wanted.specs:
        topic = found.topics.get(spec.name)
        asked = spec.config.get("retention.ms")
        if topic is None or asked is None:
            continue
        kept_ms = int(topic.config.get("retention.ms", asked))
        due_ms = 1000 * wanted.delays_s.get(spec.name, 0.0)
        if 0 <= kept_ms < int(asked):
            level: Level = "problem" if kept_ms <= due_ms + _DAY_MS else "warning"
            said = f"keeps records for {_days(kept_ms)}, not {_days(int(asked))}"
            yield Finding(level, "retention", spec.name, said, _set(spec.name, "retention.ms", asked))
        size = int(topic.config.get("retention.bytes", "-1"))
        if size >= 0:
            said = f"retention.bytes is {size}: a burst deletes what is not done yet"
            yield Finding("problem", "retention", spec.name, said, _set(spec.name, "retention.bytes", "-1"))


def settings(found: Installation, wanted: Wanted) -> Iterator[Finding]:
    """Cleanup, time stamps and record size are what the programs rely on."""
    for spec in wanted.specs:
        topic = found.topics.get(spec.name)
        for name, why in _RELIED_ON.items():
            asked = spec.config.get(name)
            known = topic.config.get(name) if topic is not None else None
            if asked is not None and known is not None and not _enough(name, known, asked):
                said = f"{name} is {known}, not {asked}: {why}"
                yield Finding("problem", "settings", spec.name, said, _set(spec.name, name, asked))


def contracts(found: Installation, wanted: Wanted) -> Iterator[Finding]:
    """Old bytes lie in topics for weeks, so every subject refuses a schema that cannot read them."""
    if found.registry_error is not None:
        said, remedy = found.registry_error, "start it; TOCSIN_REGISTRY says where it is looked for"
        yield Finding("problem", "contracts", "registry", said, remedy)
        return
    for subject, rule in wanted.rules.items():
        known = found.rules.get(subject)
        if known is not None and known != rule:
            remedy = f'PUT {{"compatibility": "{rule}"}} to /config/{subject}'
            yield Finding("problem", "contracts", subject, f"its rule is {known}, not {rule}", remedy)


def programs(found: Installation, wanted: Wanted) -> Iterator[Finding]:
    """Somebody works on every topic, and keeps up."""
    for program, group in found.groups.items():
        if not group.members:
            level: Level = "problem" if group.lag else "warning"
            said = f"nobody runs it; {group.lag} records wait" if group.lag else "nobody runs it"
            yield Finding(level, "programs", program, said, f"start `python -m consumers.{program}`")
        elif group.lag > LAG_MOST:
            said = f"{group.lag} records are not finished"
            remedy = "more processes of it, up to one for each partition; see its log for what holds it up"
            yield Finding("warning", "programs", program, said, remedy)


def stuck(found: Installation, wanted: Wanted) -> Iterator[Finding]:
    """No record stays the oldest for ever."""
    for program, group in found.groups.items():
        for (topic, partition), state in group.partitions.items():
            most_s = STUCK_S + wanted.delays_s.get(topic, 0.0)
            if group.members and state.oldest_s is not None and state.oldest_s > most_s:
                said = f"{program} has not finished a record of {state.oldest_s:.0f} s ago, {state.lag} since"
                remedy = f"see the log of the {program} process that has it; a restart moves it to another"
                yield Finding("warning", "stuck", f"{topic}/{partition}", said, remedy)


def clock(found: Installation, wanted: Wanted) -> Iterator[Finding]:
    """Signatures carry the time."""
    if found.skew_s is not None and abs(found.skew_s) > SKEW_WARN_S:
        level: Level = "problem" if abs(found.skew_s) > SKEW_MAX_S else "warning"
        said = f"this machine is {found.skew_s:+.1f} s off the broker"
        yield Finding(level, "clock", "this machine", said, "let NTP set both clocks")


def disks(found: Installation, wanted: Wanted) -> Iterator[Finding]:
    """There is room on this machine; a broker's disk is for the broker's own monitoring."""
    for disk in found.disks:
        free = disk.free_bytes / max(disk.total_bytes, 1)
        if free < DISK_WARN:
            level: Level = "problem" if free < DISK_FULL else "warning"
            yield Finding(level, "disk", disk.path, f"{free:.0%} is free", "make room, or add a disk")


CHECKS: Final[Mapping[str, Check]] = {
    "brokers": brokers,
    "topics": existence,
    "replication": durability,
    "retention": retention,
    "settings": settings,
    "contracts": contracts,
    "programs": programs,
    "stuck": stuck,
    "clock": clock,
    "disk": disks,
}
"""Every check by its name, in the order in which they are told."""

_DAY_MS: Final = 86_400_000
_RELIED_ON: Final = {
    "cleanup.policy": "what is compacted loses records, what is not grows for ever",
    "message.timestamp.type": "delays count from the broker's time",
    "max.message.bytes": "a record that is set aside with its reason does not fit",
    "max.compaction.lag.ms": "a superseded secret stays on disk",
}


def _known(found: Installation, wanted: Wanted) -> Iterator[tuple[str, TopicState]]:
    for spec in wanted.specs:
        if spec.name in found.topics:
            yield spec.name, found.topics[spec.name]


def _partitions(spec: TopicSpec, topic: TopicState, expected: int) -> Finding:
    said = f"has {topic.partitions} partitions, not {expected}"
    if spec.partitions is not None:
        remedy = "a table has one: copy it to a topic with one partition while all programs are stopped"
        return Finding("problem", "topics", spec.name, said, remedy)
    if topic.partitions < expected:
        # By hand, with programs running, deliveries would be sent twice.
        remedy = f"`tocsin topics grow {expected}`, in the order that docs/upgrades.md says"
    else:
        remedy = f"TOCSIN_PARTITIONS={topic.partitions}: Kafka takes no partitions away"
    return Finding("problem", "topics", spec.name, said, remedy)


def _enough(name: str, known: str, asked: str) -> bool:
    if name == "max.message.bytes":
        return int(known) >= int(asked)
    if name == "max.compaction.lag.ms":
        return int(known) <= int(asked)
    return known == asked


def _set(topic: str, name: str, value: str) -> str:
    return f"kafka-configs --alter --entity-type topics --entity-name {topic} --add-config {name}={value}"


def _days(ms: int) -> str:
    return f"{ms / _DAY_MS:.1f} d" if ms >= _DAY_MS else f"{ms / 3_600_000:.1f} h"
