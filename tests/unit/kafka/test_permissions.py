"""The table of permissions: what must hold of it, whatever stands in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from deploy.local.programs import MODULES
from tocsin import tiers
from tocsin.cli import acls
from tocsin.kafka.permissions import PERMISSIONS, grants, topics_of
from tocsin.kafka.topics import Topics

ROOT: Final = Path(__file__).parents[3]
SYSTEMS: Final = ("governlayer", "tork")
TOPICS: Final = Topics("t")
GRANTS: Final = {grant.program: grant for grant in grants(TOPICS, SYSTEMS)}


def may(program: str, operation: str, topic: str) -> bool:
    """Whether a program may do this on a topic."""
    return any(
        operation in rule.operations
        and (topic == rule.name if rule.pattern == "literal" else topic.startswith(rule.name))
        for rule in GRANTS[program].rules
        if rule.resource == "topic"
    )


def writers(topic: str) -> set[str]:
    return {program for program in GRANTS if may(program, "Write", topic)}


def test_every_program_has_a_principal_of_its_own() -> None:
    assert MODULES.keys() | {"publisher", "operator", "installer"} == PERMISSIONS.keys()


def test_nobody_may_take_anything_out_of_a_topic() -> None:
    """So what stands in the audit stays there."""
    operations = {each for grant in GRANTS.values() for rule in grant.rules for each in rule.operations}
    assert operations == {"Read", "Write", "Create", "Describe", "DescribeConfigs"}
    assert [name for name, grant in GRANTS.items() if "Create" in str(grant.rules)] == ["installer"]


@pytest.mark.parametrize(
    ("topic", "programs"),
    [
        (TOPICS.audit, {"control", "replay", "operator"}),
        (TOPICS.keys, {"control", "operator"}),
        (TOPICS.subscriptions, {"control"}),
        (TOPICS.health, {"ledger"}),
        (TOPICS.attempts, {"delivery"}),
        (TOPICS.dlq, {"delivery"}),
    ],
)
def test_facts_have_the_writers_that_they_are_designed_for(topic: str, programs: set[str]) -> None:
    assert writers(topic) == programs


def test_keys_are_read_by_those_who_admit_callers() -> None:
    assert {program for program in GRANTS if may(program, "Read", TOPICS.keys)} == {
        "control",
        "gateway",
        "operator",
    }


def test_publisher_may_write_its_own_systems_events_and_nothing_else() -> None:
    names = [spec.name for spec in TOPICS.specs(SYSTEMS)]
    assert [name for name in names if may("publisher-tork", "Write", name)] == [TOPICS.events("tork")]
    assert not any(may("publisher-tork", "Read", name) for name in names)


def test_families_hold_every_member_and_no_neighbour() -> None:
    assert all(may("delay", "Read", TOPICS.delay(tier)) for tier in tiers.TIERS)
    assert not may("delay", "Read", "t.delayed")
    assert not may("router", "Read", "tt.events.tork")


def test_program_waits_for_the_topics_that_it_works_with() -> None:
    assert topics_of("gateway", TOPICS, SYSTEMS) == [
        TOPICS.events("governlayer"),
        TOPICS.events("tork"),
        TOPICS.keys,
        TOPICS.clock,
    ]
    assert len(topics_of("operator", TOPICS, SYSTEMS)) == len(TOPICS.specs(SYSTEMS))


def test_command_of_kafkas_own_tool_is_safe_in_a_shell() -> None:
    rule = GRANTS["delay"].rules[3]
    said = acls.command(rule, "User:CN=tocsin delay;$(id)")
    assert "--allow-principal 'User:CN=tocsin delay;$(id)' " in said
    assert said.endswith(
        "--operation Read --operation Write --topic t.delay. --resource-pattern-type prefixed"
    )


def test_documented_table_is_this_one() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    rows = {
        program: (cell(reads), cell(writes), cell(groups))
        for program, reads, writes, groups in re.findall(
            r"^\| `(\w+)` \|[^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|$", text, re.MULTILINE
        )
    }
    assert rows == {
        program: (
            {*each.reads, *each.looks_at},
            set(each.writes),
            {*each.watches, *((each.joins,) if each.joins else ())},
        )
        for program, each in PERMISSIONS.items()
    }


def cell(text: str) -> set[str]:
    """Return the names in a cell of the table."""
    return set(re.findall(r"`([^`]+)`", text))
