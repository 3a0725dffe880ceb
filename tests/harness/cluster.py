"""Kafka of a test's own: one node or three, with a network between it and the programs that can be cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import kafka
from deploy.local.errors import StackError
from deploy.local.kafka import Kafka
from deploy.local.settings import HOST, LocalSettings
from tests.harness.installation import free_port
from tests.harness.proxy import Proxy

SEVERAL: Mapping[str, str] = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # Three of them on a machine that has other work: with the local stack's haste they take each other for dead.
    "broker.session.timeout.ms": "9000",
    "broker.heartbeat.interval.ms": "2000",
    "controller.quorum.request.timeout.ms": "6000",
    "controller.quorum.fetch.timeout.ms": "6000",
    "controller.quorum.election.timeout.ms": "3000",
}
"""What three nodes keep three times, and how patient they are with each other."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node, and the way to it.

    Attributes:
        broker: Its process; `address` is the straight way.
        proxy: The detour: whoever comes by it is told to come back by it.
    """

    broker: Kafka
    proxy: Proxy


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes of one cluster; they serve clients on the straight way and on the detour alike."""

    nodes: tuple[Node, ...]

    @property
    def kafka(self) -> str:
        """Bootstrap servers on the straight way."""
        return ",".join(node.broker.address for node in self.nodes)

    @property
    def detour(self) -> str:
        """Bootstrap servers by way of the proxies."""
        return ",".join(node.proxy.address for node in self.nodes)

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """The network between the programs and all nodes."""
        return tuple(node.proxy for node in self.nodes)

    @property
    def replication(self) -> int:
        """How often everything is kept."""
        return 3 if len(self.nodes) >= 3 else 1

    def start(self) -> None:
        """Start the nodes that do not run and wait until all answer; a quorum of controllers has to start at once."""
        for node in self.nodes:
            node.broker.launch()
        for node in self.nodes:
            _await(node.broker)

    def kill(self) -> None:
        """Kill all nodes at once."""
        for node in self.nodes:
            node.broker.kill()


def _await(broker: Kafka) -> None:
    """Wait for a node; three that start at once beside other work take longer than one may."""
    for _ in range(2):
        try:
            broker.start()
        except StackError:
            if broker.process.pid() is None:
                raise
        else:
            return
    broker.start()


@contextmanager
def cluster(home: Path, lib: Path, *, nodes: int = 1, **overrides: str) -> Iterator[Cluster]:
    """Run a cluster with fresh data.

    Args:
        home: Where its data lies.
        lib: Downloads of the local stack.
        overrides: Broker settings, with `_` for `.`.
    """
    made = Cluster(tuple(_nodes(home, lib, nodes, {k.replace("_", "."): v for k, v in overrides.items()})))
    with ExitStack() as cleanup:
        for node in made.nodes:
            cleanup.enter_context(node.proxy)
            cleanup.callback(node.broker.kill)
        made.start()
        yield made


def _nodes(home: Path, lib: Path, count: int, overrides: Mapping[str, str]) -> Iterator[Node]:
    settings = [
        LocalSettings(home=home / f"node-{number}", kafka_port=free_port(), kafka_controller_port=free_port())  # type: ignore[call-arg]
        for number in range(1, count + 1)
    ]
    voters = ",".join(f"{n}@{HOST}:{each.kafka_controller_port}" for n, each in enumerate(settings, 1))
    for number, each in enumerate(settings, 1):
        each.home.mkdir(parents=True, exist_ok=True)
        lib.mkdir(parents=True, exist_ok=True)
        if not each.lib.exists():
            each.lib.symlink_to(lib)
        proxy = Proxy(free_port())
        ways = kafka.properties(each)
        own = {
            "node.id": str(number),
            "controller.quorum.voters": voters,
            "listeners": f"{ways['listeners']},DETOUR://{HOST}:{proxy.target}",
            "advertised.listeners": f"{ways['advertised.listeners']},DETOUR://{proxy.address}",
            "listener.security.protocol.map": f"{ways['listener.security.protocol.map']},DETOUR:PLAINTEXT",
        }
        several = SEVERAL if count >= 3 else {}
        yield Node(Kafka(each, overrides={**several, **own, **overrides}), proxy)
