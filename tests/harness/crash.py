"""Programs that die at a failpoint, and what takes their place."""

from __future__ import annotations

import time
from typing import Final

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from deploy.local.programs import Program
from tests.harness.installation import Installation
from tocsin import failpoints
from tocsin.kafka import clients

SESSION_S: Final = 6
"""The shortest session that the local broker allows a group."""
DIES_WITHIN_S: Final = 30.0


def hasten(own: Installation, *names: str) -> None:
    """Let the groups of these programs replace a dead member after `SESSION_S`, and their members know it."""
    own.fleet.environment = {**own.fleet.environment, "TOCSIN_SESSION_S": str(SESSION_S)}
    wanted = {"consumer.session.timeout.ms": SESSION_S * 1000, "consumer.heartbeat.interval.ms": 1000}
    entries = [
        ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET)
        for name, value in wanted.items()
    ]
    groups = [
        ConfigResource(ResourceType.GROUP, own.topics.group(name), incremental_configs=entries)
        for name in names
    ]
    admin = clients.admin(own.settings)
    for future in admin.incremental_alter_configs(groups).values():
        future.result()


def doomed(own: Installation, name: str, point: str, hit: int = 1) -> Program:
    """Start a copy of a program that dies at a hit of a failpoint."""
    return own.another(name, **{failpoints.VARIABLE: f"{point}:#{hit}", failpoints.PERMISSION: "1"})


def await_death(program: Program) -> float:
    """Return when a doomed program was seen to be dead, on the monotonic clock."""
    assert program.process.wait(DIES_WITHIN_S), (
        f"{program.name} has not met its failpoint: {program.environment[failpoints.VARIABLE]}"
    )
    assert not program.says("stopped"), f"{program.name} has stopped by itself"
    return time.monotonic()
