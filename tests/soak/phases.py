"""What happens to everybody at once, for a while: the network, the brokers, the registry, the endpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.harness.proxy import Proxy
from tests.soak.ground import Ground

DELAY_S: Final = 0.3
RESET_EVERY_S: Final = 1.0

Wait = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Phase:
    """One fault that everybody feels, and how long it lasts."""

    kind: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.kind} for {self.seconds:.0f} s"

    @property
    def is_outage(self) -> bool:
        """Whether Kafka acknowledges nothing meanwhile."""
        return self.kind in ("cut", "half-open", "brokers")

    @property
    def is_faltering(self) -> bool:
        """Whether Kafka acknowledges now and then, or late."""
        return self.kind in ("slow", "resets", "nodes")


def parse(text: str) -> tuple[Phase, ...]:
    """Read phases, `kind:seconds`, several by comma; ValueError for a kind that there is not."""
    phases = []
    for piece in filter(None, text.split(",")):
        kind, _, seconds = piece.partition(":")
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
        phases.append(Phase(kind, float(seconds)))
    return tuple(phases)


@dataclass(frozen=True, slots=True)
class Site:
    """Where phases happen.

    Attributes:
        endpoints: The network before all endpoints.
    """

    ground: Ground
    endpoints: Proxy

    def run(self, phase: Phase, wait: Wait, begun: Callable[[], None]) -> None:
        """Let a phase happen, and return when it is over.

        Args:
            wait: Called with seconds to pass; what happens meanwhile is the caller's affair.
            begun: Called when it has begun.
        """
        KINDS[phase.kind](self, phase.seconds, wait, begun)

    @property
    def network(self) -> Sequence[Proxy]:
        """The network between the programs and Kafka."""
        return self.ground.cluster.proxies

    def heal(self) -> None:
        """Make every network sound again."""
        for proxy in (*self.network, self.endpoints):
            proxy.heal()


def _cut(site: Site, seconds: float, wait: Wait, begun: Callable[[], None]) -> None:
    for proxy in site.network:
        proxy.cut()
    begun()
    wait(seconds)
    site.heal()


def _half_open(site: Site, seconds: float, wait: Wait, begun: Callable[[], None]) -> None:
    for proxy in site.network:
        proxy.swallow()
    begun()
    wait(seconds)
    site.heal()


def _slow(site: Site, seconds: float, wait: Wait, begun: Callable[[], None]) -> None:
    for proxy in site.network:
        proxy.delay_s = DELAY_S
    begun()
    wait(seconds)
    site.heal()


def _resets(site: Site, seconds: float, wait: Wait, begun: Callable[[], None]) -> None:
    begun()
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        for proxy in site.network:
            proxy.reset()
        wait(RESET_EVERY_S)


def _brokers(site: Site, seconds: float, wait: Wait, begun: Callable[[], None]) -> None:
    site.ground.cluster.kill()
    begun()
    wait(seconds)
    site.ground.cluster.start()


def _nodes(site: Site, seconds: float, wait: Wait, begun: Callable[[], None]) -> None:
    """One node after the other is killed, each once the one before it is back."""
    begun()
    for node in site.ground.cluster.nodes:
        node.broker.kill()
        wait(seconds)
        node.broker.start()
        wait(seconds)


def _registry(site: Site, seconds: float, wait: Wait, begun: Callable[[], None]) -> None:
    if site.ground.schemas is None:
        raise ValueError("this registry is not ours to kill")
    site.ground.schemas.kill()
    begun()
    wait(seconds)
    site.ground.schemas.start()


def _endpoints(site: Site, seconds: float, wait: Wait, begun: Callable[[], None]) -> None:
    site.endpoints.cut()
    begun()
    wait(seconds)
    site.endpoints.heal()


KINDS: Final[Mapping[str, Callable[[Site, float, Wait, Callable[[], None]], None]]] = {
    "cut": _cut,
    "half-open": _half_open,
    "slow": _slow,
    "resets": _resets,
    "brokers": _brokers,
    "nodes": _nodes,
    "registry": _registry,
    "endpoints": _endpoints,
}
