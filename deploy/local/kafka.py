"""A single-node Kafka: broker and controller in one process."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local import artifacts
from deploy.local.errors import StackError
from deploy.local.progress import Say
from deploy.local.service import Service
from deploy.local.settings import HOST, KAFKA_VERSION, LocalSettings, Port

HEAP = "-Xms640m -Xmx640m -Xmn320m"
"""A fixed size, half of it for what is young: a heap that may shrink does, and then collects all the time."""
COLLECTOR = "-XX:+UseParallelGC"
"""Its pauses are a third of the default collector's, and while the broker stands still so does every delivery."""

POLICY: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    # Topics have an owner; a typing error shall not create one.
    "auto.create.topics.enable": "false",
    # One node: whatever Kafka keeps about itself has one copy, in few partitions so that it starts quickly.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    # KIP-848: session and heartbeat are the broker's, a group may change them within these bounds. A dead consumer
    # is replaced within 10 s; the defaults (45 s, and 45 s as the floor) take longer than anybody wants to watch.
    "group.consumer.session.timeout.ms": "10000",
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.heartbeat.interval.ms": "2000",
    "group.consumer.min.heartbeat.interval.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    # After a crash the controller first waits for the session of the broker that died: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # What a broker with little memory keeps for nothing: 128 MiB for compaction, and a thousand requests of each kind
    # that were answered long ago, which each collection copies once more while everybody waits.
    "log.cleaner.dedupe.buffer.size": str(16 << 20),
    "fetch.purgatory.purge.interval.requests": "100",
    "producer.purgatory.purge.interval.requests": "100",
    # A checkout that nobody touches for a month goes on where it stopped.
    "offsets.retention.minutes": str(365 * 24 * 60),
}
"""Broker settings that hold wherever the stack runs, in containers too."""

CLUSTER_ID = "VG9jc2luTG9jYWxTdGFjaw"
"""Sixteen bytes in base64, as Kafka wants them: TocsinLocalStack."""


@dataclass(frozen=True, slots=True)
class Kafka(Service):
    """Apache Kafka in KRaft mode.

    Args:
        overrides: Broker settings over those of the local stack.
    """

    name: ClassVar[str] = "kafka"
    title: ClassVar[str] = f"Kafka {KAFKA_VERSION}"
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Bootstrap server."""
        return self.settings.kafka

    @property
    def ports(self) -> tuple[Port, ...]:
        """The clients' port and the controller's."""
        return (
            Port(self.settings.kafka_port, "Kafka", "TOCSIN_KAFKA_PORT"),
            Port(self.settings.kafka_controller_port, "Kafka's controller", "TOCSIN_KAFKA_CONTROLLER_PORT"),
        )

    def answers(self) -> bool:
        """Whether it serves metadata."""
        try:
            # librdkafka would wait a while after a refused connection before it tries again.
            socket.create_connection((HOST, self.settings.kafka_port), 0.5).close()
            admin = AdminClient(
                {"bootstrap.servers": self.address, "log_level": 0, "socket.timeout.ms": 2000}
            )
            return bool(admin.list_topics(timeout=2).brokers)
        except (OSError, KafkaException):
            return False

    def install(self, java_home: Path, say: Say) -> Path:
        """Fetch its jars."""
        return artifacts.kafka(self.settings.lib, java_home, say)

    def prepare(self, java_home: Path, lib: Path) -> None:
        """Write `server.properties`, and format the data directory once."""
        self._data.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(
            "".join(
                f"{key}={value}\n" for key, value in {**properties(self.settings), **self.overrides}.items()
            )
        )
        if (self._data / "meta.properties").exists():
            return
        tool = [str(java_home / "bin" / "java"), "-cp", f"{lib}/*", "kafka.tools.StorageTool", "format"]
        options = ["--cluster-id", CLUSTER_ID, "--config", str(self._properties), "--ignore-formatted"]
        done = subprocess.run([*tool, *options], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = " ".join((done.stdout + done.stderr).strip().splitlines()[-1:])
            raise StackError(
                f"Kafka cannot use {self._data} ({last}); start afresh: python -m deploy.local reset"
            )

    def arguments(self, lib: Path) -> Sequence[str]:
        """Arguments of `java`."""
        logging = Path(__file__).with_name("log4j2.properties")
        configured = f"-Dlog4j2.configurationFile={logging}"
        return [*HEAP.split(), COLLECTOR, configured, "-cp", f"{lib}/*", "kafka.Kafka", str(self._properties)]

    @property
    def _data(self) -> Path:
        return self.settings.data / "kafka"

    @property
    def _properties(self) -> Path:
        return self.settings.data / "server.properties"


def properties(settings: LocalSettings) -> dict[str, str]:
    """The whole of `server.properties`."""
    clients = f"CLIENTS://{settings.kafka}"
    controller = f"{HOST}:{settings.kafka_controller_port}"
    return {
        **POLICY,
        "listeners": f"{clients},CONTROLLER://{controller}",
        "advertised.listeners": clients,
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENTS",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": str(settings.data / "kafka"),
    }
