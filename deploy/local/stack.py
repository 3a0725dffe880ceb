"""The local stack: Kafka and the registry, started and stopped together."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Literal

from deploy.local import environment
from deploy.local.kafka import Kafka
from deploy.local.progress import Say, silent, step
from deploy.local.registry import Registry
from deploy.local.service import Service
from deploy.local.settings import LocalSettings
from deploy.local.turns import alone

Name = Literal["kafka", "registry"]


@dataclass(frozen=True, slots=True)
class Stack:
    """The two services and their addresses.

    Args:
        broker: Kafka's process.
        schemas: The registry's process.
    """

    broker: Kafka
    schemas: Registry

    @property
    def kafka(self) -> str:
        """Bootstrap server, such as `127.0.0.1:19092`."""
        return self.broker.address

    @property
    def registry(self) -> str:
        """Confluent-compatible address, such as `http://127.0.0.1:18081/apis/ccompat/v7`."""
        return self.schemas.address

    @property
    def services(self) -> tuple[Service, ...]:
        """Both, in the order in which they start."""
        return (self.broker, self.schemas)

    def service(self, name: Name) -> Service:
        """One of them, by name."""
        return self.broker if name == "kafka" else self.schemas


@dataclass(frozen=True, slots=True)
class Status:
    """How one service is.

    Args:
        name: `kafka` or `registry`.
        title: Its name and version.
        address: What its clients are given.
        pid: Its process, None if it does not run.
        answers: Whether it does real work now.
    """

    name: str
    title: str
    address: str
    pid: int | None
    answers: bool


def of(settings: LocalSettings) -> Stack:
    """The stack that these settings describe, whether it runs or not."""
    return Stack(Kafka(settings), Registry(settings))


def up(settings: LocalSettings, say: Say = silent) -> Stack:
    """Start what does not run yet and wait until both services answer.

    Raises:
        StackError: Something is missing or in the way; the message names the remedy.
    """
    stack = of(settings)
    with alone(settings.run, say):
        for service in stack.services:
            service.require_ports()
        started = [service.start(say) for service in stack.services]
        environment.remember(
            settings.environment_file, {"TOCSIN_KAFKA": stack.kafka, "TOCSIN_REGISTRY": stack.registry}
        )
    if not any(started):
        say("already running\n")
    return stack


def down(settings: LocalSettings, say: Say = silent) -> None:
    """Stop both services; data and downloads stay."""
    with alone(settings.run, say):
        _stop(settings, say)


def reset(settings: LocalSettings, say: Say = silent) -> None:
    """Stop both services and delete their data, and what stood in it; downloads stay.

    The log of deliveries would take positions of the old Kafka for those of the next one.
    """
    with alone(settings.run, say):
        _stop(settings, say)
        shutil.rmtree(settings.data, ignore_errors=True)
        ledger = [settings.ledger.with_name(settings.ledger.name + suffix) for suffix in ("", "-wal", "-shm")]
        for file in (settings.first_key, *ledger):
            file.unlink(missing_ok=True)


def status(settings: LocalSettings) -> list[Status]:
    """How both services are, now."""
    return [
        Status(
            service.name,
            service.title,
            service.address,
            pid := service.process.pid(),
            bool(pid) and service.answers(),
        )
        for service in of(settings).services
    ]


def _stop(settings: LocalSettings, say: Say) -> None:
    for service in reversed(of(settings).services):
        if service.process.pid() is not None:
            with step(say, f"stopping {service.title}"):
                service.stop()
