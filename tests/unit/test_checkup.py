"""What a check-up finds: a healthy installation has no findings, and each thing that is wrong has one with its remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tocsin.checkup import reading
from tocsin.checkup.checks import Wanted, examine
from tocsin.checkup.state import DiskState, GroupState, Installation, PartitionState, TopicState
from tocsin.kafka.topics import DAY_MS, Topics
from tocsin.settings import Settings
from tocsin.tiers import TIERS
from tocsin.wire.systems import load_systems

TOPICS = Topics("t")
WANTED = Wanted(
    specs=TOPICS.specs(["driftguard"]),
    partitions=12,
    rules={"t.keys-tocsin.pipeline.ApiKey": "FULL_TRANSITIVE"},
    delays_s={TOPICS.delay(tier): float(delay_s) for tier, delay_s in TIERS.items()},
)
HEALTHY = Installation(
    brokers=(1, 2, 3),
    topics={
        spec.name: TopicState(
            spec.partitions or 12,
            3,
            3,
            config={**spec.config, "min.insync.replicas": "2", "retention.bytes": "-1"},
        )
        for spec in WANTED.specs
    },
    rules=WANTED.rules,
    groups={"router": GroupState(2), "delivery": GroupState(3)},
    skew_s=0.01,
    disks=(DiskState("/", 100, 90),),
)


def with_topic(name: str, config: Mapping[str, str] | None = None, **changes: Any) -> Installation:
    """Return the healthy installation with another topic in place of one."""
    topic = HEALTHY.topics[name]
    topic = replace(topic, config={**topic.config, **(config or {})}, **changes)
    return replace(HEALTHY, topics={**HEALTHY.topics, name: topic})


def without_topic(name: str) -> Installation:
    """Return the healthy installation without a topic."""
    return replace(HEALTHY, topics={key: value for key, value in HEALTHY.topics.items() if key != name})


def with_group(program: str, group: GroupState) -> Installation:
    """Return the healthy installation with another state of a group."""
    return replace(HEALTHY, groups={**HEALTHY.groups, program: group})


def waiting(topic: str, oldest_s: float, members: int = 1) -> Installation:
    """Return the healthy installation with a record that has been the oldest for so long."""
    return with_group("delay", GroupState(members, {(topic, 3): PartitionState(7, oldest_s)}))


def test_healthy_installation_has_no_findings() -> None:
    assert examine(HEALTHY, WANTED) == []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (replace(HEALTHY, brokers=(1, 2)), ("warning", "brokers", "cluster", "2 brokers")),
        (without_topic("t.audit"), ("problem", "topics", "t.audit", "is missing")),
        (
            with_topic("t.dlq", leaderless=2),
            ("problem", "topics", "t.dlq", "2 of 12 partitions have no leader"),
        ),
        (with_topic("t.dlq", partitions=6), ("problem", "topics", "t.dlq", "6 partitions, not 12")),
        (with_topic("t.jobs", partitions=2), ("problem", "topics", "t.jobs", "2 partitions, not 1")),
        (with_topic("t.dlq", in_sync=2), ("warning", "replication", "t.dlq", "2 of 3 replicas")),
        (with_topic("t.dlq", in_sync=1), ("problem", "replication", "t.dlq", "1 of 3 replicas")),
        (
            with_topic("t.dlq", {"min.insync.replicas": "1"}),
            ("problem", "replication", "t.dlq", "may be on one disk"),
        ),
        (
            with_topic("t.dlq", {"min.insync.replicas": "3"}),
            ("problem", "replication", "t.dlq", "nothing is written while one is away"),
        ),
        (
            with_topic("t.dlq", {"min.insync.replicas": "1"}, replication=2, in_sync=2),
            ("warning", "replication", "t.dlq", "2 replicas on 3 brokers"),
        ),
        (
            with_topic("t.dlq", {"retention.ms": str(30 * DAY_MS)}),
            ("warning", "retention", "t.dlq", "for 30.0 d, not 90.0 d"),
        ),
        (
            with_topic("t.delay.24h", {"retention.ms": str(DAY_MS)}),
            ("problem", "retention", "t.delay.24h", "for 1.0 d, not 10.0 d"),
        ),
        (
            with_topic("t.deliveries", {"retention.bytes": "1000000"}),
            ("problem", "retention", "t.deliveries", "a burst deletes what is not done"),
        ),
        (
            with_topic("t.keys", {"cleanup.policy": "delete"}),
            ("problem", "settings", "t.keys", "cleanup.policy is delete"),
        ),
        (
            with_topic("t.delay.5s", {"message.timestamp.type": "CreateTime"}),
            ("problem", "settings", "t.delay.5s", "delays count from the broker's time"),
        ),
        (
            with_topic("t.dlq", {"max.message.bytes": "1048588"}),
            ("problem", "settings", "t.dlq", "does not fit"),
        ),
        (
            replace(HEALTHY, rules={"t.keys-tocsin.pipeline.ApiKey": "NONE"}),
            ("problem", "contracts", "t.keys-tocsin.pipeline.ApiKey", "NONE, not FULL_TRANSITIVE"),
        ),
        (
            replace(HEALTHY, registry_error="does not answer"),
            ("problem", "contracts", "registry", "does not answer"),
        ),
        (with_group("router", GroupState(0)), ("warning", "programs", "router", "nobody runs it")),
        (
            with_group("router", GroupState(0, {("t.x", 0): PartitionState(5)})),
            ("problem", "programs", "router", "5 records wait"),
        ),
        (
            with_group("router", GroupState(1, {("t.x", 0): PartitionState(200_000)})),
            ("warning", "programs", "router", "200000 records"),
        ),
        (waiting("t.redeliveries", 301.0), ("warning", "stuck", "t.redeliveries/3", "301 s ago")),
        (waiting("t.delay.5m", 601.0), ("warning", "stuck", "t.delay.5m/3", "601 s ago")),
        (replace(HEALTHY, skew_s=-3.0), ("warning", "clock", "this machine", "-3.0 s")),
        (replace(HEALTHY, skew_s=90.0), ("problem", "clock", "this machine", "+90.0 s")),
        (replace(HEALTHY, disks=(DiskState("/d", 100, 15),)), ("warning", "disk", "/d", "15% is free")),
        (replace(HEALTHY, disks=(DiskState("/d", 100, 3),)), ("problem", "disk", "/d", "3% is free")),
    ],
)
def test_what_is_wrong_is_found_with_its_remedy(found: Installation, told: tuple[str, str, str, str]) -> None:
    (finding,) = examine(found, WANTED)
    level, check, about, said = told
    assert (finding.level, finding.check, finding.about) == (level, check, about)
    assert said in finding.said
    assert finding.remedy


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(with_topic("t.dlq", {"retention.ms": "-1"}), id="keeps records for ever"),
        pytest.param(with_topic("t.dlq", {"max.message.bytes": "9999999"}), id="takes larger records"),
        pytest.param(waiting("t.delay.5m", 599.0), id="a record waits for as long as its delay"),
        pytest.param(waiting("t.redeliveries", 999.0, members=0), id="nobody runs it, which is told already"),
        pytest.param(replace(HEALTHY, rules={}), id="a schema that nobody needed yet"),
        pytest.param(replace(HEALTHY, skew_s=None), id="a clock that was not asked"),
    ],
)
def test_what_is_as_good_is_not_found(found: Installation) -> None:
    assert [finding for finding in examine(found, WANTED) if finding.check != "programs"] == []


def test_problems_are_told_first() -> None:
    found = replace(without_topic("t.audit"), brokers=(1,), skew_s=90.0)
    assert [finding.level for finding in examine(found, WANTED)] == ["problem", "problem", "warning"]


@pytest.mark.parametrize(
    ("found", "remedy"),
    [
        (without_topic("t.audit"), "tocsin topics create"),
        (with_topic("t.dlq", partitions=6), "tocsin topics grow 12"),
        (with_topic("t.dlq", partitions=24), "TOCSIN_PARTITIONS=24"),
    ],
)
def test_remedy_of_a_topic_is_one_that_upgrades_allow(found: Installation, remedy: str) -> None:
    (finding,) = examine(found, WANTED)
    assert remedy in finding.remedy


def test_every_subject_that_a_program_registers_is_looked_at() -> None:
    """The ledger tells of disabled endpoints on the events topics."""
    wanted = reading.wanted(Settings(_env_file=None), load_systems())  # type: ignore[call-arg]
    for system in load_systems().values():
        for known in system.catalogue():
            assert f"tocsin.events.{system.name}-{known.fullname}" in wanted.rules


def test_remedy_of_a_setting_is_the_command_that_mends_it() -> None:
    (finding,) = examine(with_topic("t.keys", {"cleanup.policy": "delete"}), WANTED)
    assert finding.remedy.endswith("--entity-name t.keys --add-config cleanup.policy=compact")
