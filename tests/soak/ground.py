"""What a soak stands on: a cluster of its own behind a network of its own, and a registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import settings as local_settings
from deploy.local import stack as local_stack
from deploy.local.registry import Registry
from deploy.local.settings import LocalSettings
from tests.harness.cluster import Cluster, cluster
from tests.harness.installation import free_port


@dataclass(frozen=True, slots=True)
class Ground:
    """Kafka and the registry.

    Attributes:
        schemas: The registry's process, None where it is the checkout's and not to be touched.
        registry: Address of the registry.
    """

    cluster: Cluster
    schemas: Registry | None
    registry: str

    @property
    def kafka(self) -> str:
        """Bootstrap servers on the straight way, for those who watch."""
        return self.cluster.kafka


@contextmanager
def ground(home: Path, *, nodes: int, own_registry: bool) -> Iterator[Ground]:
    """Run the ground of a soak.

    Args:
        home: Where its data lies.
        own_registry: The registry keeps its schemas in this cluster, and may be killed; else it is the checkout's.
    """
    usual = local_settings.load()
    with ExitStack() as cleanup:
        made = cleanup.enter_context(cluster(home, usual.lib, nodes=nodes))
        if own_registry:
            schemas = Registry(_registry_settings(made))
            cleanup.callback(schemas.kill)
            schemas.start()
            yield Ground(made, schemas, schemas.address)
        else:
            yield Ground(made, None, cleanup.enter_context(_checkouts(usual)))


@contextmanager
def _checkouts(usual: LocalSettings) -> Iterator[str]:
    was_running = all(status.answers for status in local_stack.status(usual))
    try:
        yield local_stack.up(usual).registry
    finally:
        if not was_running:
            local_stack.down(usual)


def _registry_settings(made: Cluster) -> LocalSettings:
    first = made.nodes[0].broker.settings
    return first.model_copy(
        update={
            "registry_port": free_port(),
            "registry_management_port": free_port(),
        }
    )
