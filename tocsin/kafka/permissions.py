"""What each program may do in Kafka: the one table, and the access control lists that follow from it.

A program has a principal of its own and may do what stands here and nothing else: no program deletes, alters or
creates anything. Kafka denies what no list allows (`allow.everyone.if.no.acl.found=false`), so there is no list of
denials. Describing a topic is allowed to whoever reads or writes it, and being idempotent to whoever writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from tocsin.kafka import clients
from tocsin.kafka.topics import Topics

Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]
EVERY: Final = "*"
"""All topics of the installation."""
EVENTS: Final = "events.*"
DELAY: Final = "delay.*"
"""As `EVENTS` a family of topics, whose members come and go with systems and tiers."""


@dataclass(frozen=True, slots=True)
class Permission:
    """What one program may do. Topics and groups have the names that they bear after the prefix.

    Attributes:
        purpose: What it is, in a few words.
        reads: Topics it reads records of.
        writes: Topics it appends to.
        looks_at: Topics it asks for ends and leaders, without reading.
        joins: Its consumer group.
        watches: Groups whose committed offsets it looks up.
        makes_topics: It creates topics.
        reads_configs: It reads configurations.
    """

    purpose: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    looks_at: tuple[str, ...] = ()
    joins: str | None = None
    watches: tuple[str, ...] = ()
    makes_topics: bool = False
    reads_configs: bool = False


_TABLES: Final = ("subscriptions", "health")
_WORK: Final = ("deliveries", "redeliveries")

PERMISSIONS: Final[Mapping[str, Permission]] = MappingProxyType(
    {
        "publisher": Permission("a service that publishes one system's events", writes=(EVENTS,)),
        "gateway": Permission("events over HTTP", reads=("keys",), writes=(EVENTS, "clock")),
        "control": Permission(
            "the control API and the console",
            reads=(*_TABLES, "keys", "jobs", EVENTS, *_WORK, DELAY, "attempts", "dlq", "quarantine", "audit"),
            # Events, work and delays: what is sent back out of quarantine goes where it was found.
            writes=("subscriptions", "keys", "jobs", "audit", EVENTS, *_WORK, DELAY, "clock"),
            watches=("router", "delivery", "delay", "ledger"),
        ),
        "router": Permission(
            "events become deliveries",
            reads=(EVENTS, *_TABLES),
            writes=("deliveries", "quarantine", "clock"),
            joins="router",
        ),
        "delivery": Permission(
            "deliveries are signed and sent",
            reads=(*_WORK, *_TABLES, "attempts"),
            writes=("attempts", DELAY, "dlq", "quarantine", "clock"),
            joins="delivery",
        ),
        "delay": Permission(
            "retries wait",
            reads=(DELAY,),
            writes=("redeliveries", DELAY, "quarantine", "clock"),
            joins="delay",
        ),
        "ledger": Permission(
            "the delivery log, endpoint health",
            reads=("attempts", *_WORK, *_TABLES),
            # Deliveries: probes of disabled endpoints. Events: the notice that an endpoint is disabled.
            writes=("health", EVENTS, "deliveries", "quarantine", "clock"),
            joins="ledger",
        ),
        "replay": Permission(
            "replays, recoveries, purges",
            reads=("jobs", "dlq", EVENTS, *_WORK, "attempts", *_TABLES),
            writes=("redeliveries", "jobs", "audit", "clock"),
            joins="replay",
            watches=("router",),
        ),
        "operator": Permission(
            "a person with the `tocsin` command, `doctor` included",
            reads=(EVERY,),
            writes=("keys", "jobs", "audit", EVENTS, *_WORK, DELAY, "clock"),
            watches=("router", "delivery", "delay", "ledger", "replay"),
            reads_configs=True,
        ),
        "installer": Permission(
            "`tocsin topics create`", looks_at=(EVERY,), makes_topics=True, reads_configs=True
        ),
    }
)
"""Every principal of an installation. `publisher` is one for each system."""


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """What is allowed on one resource, or on all whose names begin alike.

    Attributes:
        operations: Kafka's names of them, sorted.
    """

    resource: Literal["topic", "group"]
    name: str
    pattern: Literal["literal", "prefix"]
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """What one principal is allowed.

    Attributes:
        program: Its name: a program's, or `publisher-<system>`.
    """

    program: str
    permission: Permission
    rules: tuple[Rule, ...]


def grants(topics: Topics, systems: Iterable[str]) -> list[Grant]:
    """Return what every principal of an installation that serves `systems` is allowed."""
    found = []
    for program, permission in PERMISSIONS.items():
        if program != "publisher":
            found.append(Grant(program, permission, _rules(permission, topics)))
            continue
        for system in sorted(systems):
            own = Permission(f"a service that publishes {system}'s events", writes=(f"events.{system}",))
            found.append(Grant(f"publisher-{system}", own, _rules(own, topics)))
    return found


def topics_of(program: str, topics: Topics, systems: Iterable[str]) -> list[str]:
    """Return the names of the topics that a program works with."""
    permission = PERMISSIONS[program]
    allowed = [_topic(name, topics) for name in (*permission.reads, *permission.writes)]
    return [
        spec.name
        for spec in topics.specs(systems)
        if any(spec.name.startswith(own) if by == "prefix" else spec.name == own for own, by in allowed)
    ]


def _rules(permission: Permission, topics: Topics) -> tuple[Rule, ...]:
    allowed: dict[tuple[str, Literal["literal", "prefix"]], set[Operation]] = {}
    wanted: tuple[tuple[Operation, tuple[str, ...]], ...] = (
        ("Read", permission.reads),
        ("Write", permission.writes),
        ("Describe", permission.looks_at),
        ("Create", (EVERY,) if permission.makes_topics else ()),
        ("DescribeConfigs", (EVERY,) if permission.reads_configs else ()),
    )
    for operation, names in wanted:
        for name in names:
            allowed.setdefault(_topic(name, topics), set()).add(operation)
    of_topics = [
        Rule("topic", name, pattern, tuple(sorted(operations)))
        for (name, pattern), operations in allowed.items()
    ]
    return tuple(sorted([*of_topics, *_groups(permission, topics)]))


def _groups(permission: Permission, topics: Topics) -> list[Rule]:
    of_groups = [
        Rule("group", topics.group(name), "literal", ("Describe",))
        # Clients outside of any group ask for the coordinator of the one that is in their settings all the same.
        for name in (*permission.watches, *((clients.OUTSIDER,) if permission.reads else ()))
    ]
    if permission.joins is not None:
        of_groups.append(Rule("group", topics.group(permission.joins), "literal", ("Read",)))
    return of_groups


def _topic(name: str, topics: Topics) -> tuple[str, Literal["literal", "prefix"]]:
    if name.endswith("*"):
        return f"{topics.prefix}.{name[:-1]}", "prefix"
    return f"{topics.prefix}.{name}", "literal"
