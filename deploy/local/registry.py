"""An Apicurio registry, which speaks the Confluent registry's API and stores in Kafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import ClassVar

from deploy.local import artifacts
from deploy.local.progress import Say
from deploy.local.service import Service
from deploy.local.settings import HOST, REGISTRY_VERSION, LocalSettings, Port

JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""It serves a few requests a minute: starting with half the processor time counts more than its top speed."""

POLICY: Mapping[str, str] = {
    "apicurio.storage.kind": "kafkasql",
    # A line per request is what a log does not need when its reader looks for why a start failed.
    "quarkus.http.access-log.enabled": "false",
    # At its start it reads two topics until a poll comes back empty, each time the whole timeout: 20 s by default.
    # A snapshot missed that way costs nothing, since the journal is kept for ever.
    "apicurio.kafkasql.consumer.poll.timeout": "200",
}
"""Settings that hold wherever the stack runs, in containers too."""


@dataclass(frozen=True, slots=True)
class Registry(Service):
    """Apicurio Registry."""

    name: ClassVar[str] = "registry"
    title: ClassVar[str] = f"registry {REGISTRY_VERSION}"

    @property
    def address(self) -> str:
        """Confluent-compatible address."""
        return self.settings.registry

    @property
    def ports(self) -> tuple[Port, ...]:
        """The clients' port and the one for health and metrics."""
        management = "the registry's management"
        return (
            Port(self.settings.registry_port, "the registry", "TOCSIN_REGISTRY_PORT"),
            Port(self.settings.registry_management_port, management, "TOCSIN_REGISTRY_MANAGEMENT_PORT"),
        )

    def answers(self) -> bool:
        """Whether it has read its journal to the end and lists its subjects.

        While it still reads, it lists those it has met so far, and would give a known schema a new id.
        """
        ready = _is_ok(self.settings.registry_management_port, "/health/ready")
        return ready and _is_ok(self.settings.registry_port, "/apis/ccompat/v7/config")

    def install(self, java_home: Path, say: Say) -> Path:
        """Fetch and unpack it."""
        return artifacts.registry(self.settings.lib, java_home, say)

    def prepare(self, java_home: Path, lib: Path) -> None:
        """Make the directory for its snapshots."""
        (self.settings.data / "registry").mkdir(parents=True, exist_ok=True)

    def arguments(self, lib: Path) -> Sequence[str]:
        """Arguments of `java`."""
        options = [f"-D{key}={value}" for key, value in properties(self.settings).items()]
        return [*JVM, *options, "-jar", str(lib / "quarkus-run.jar")]


def properties(settings: LocalSettings) -> dict[str, str]:
    """Every setting of the registry that is not its default."""
    return {
        **POLICY,
        "quarkus.http.host": HOST,
        "quarkus.http.port": str(settings.registry_port),
        "quarkus.management.host": HOST,
        "quarkus.management.port": str(settings.registry_management_port),
        "apicurio.kafkasql.bootstrap.servers": settings.kafka,
        "apicurio.storage.snapshot.location": str(settings.data / "registry"),
    }


def _is_ok(port: int, path: str) -> bool:
    connection = HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
