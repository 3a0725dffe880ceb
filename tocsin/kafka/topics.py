"""Every topic: its name, key, cleanup, retention, and how it is made.

`docs/design.md` shows the same table for readers. Groups and subjects derive from these names, so a prefix of
its own gives a test, or a second installation, a world of its own in one cluster.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from tocsin import tiers
from tocsin.errors import ConfigurationError, KafkaUnavailable
from tocsin.kafka import clients
from tocsin.settings import Settings

DAY_MS = 86_400_000
MESSAGE_MAX_BYTES = 1_000_000
"""Below what a broker takes by default (`max.message.bytes`); what does not fit is refused before it is sent."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it is created.

    Attributes:
        partitions: Number of partitions, or None for the installation's partition count.
        config: Topic configuration beyond the broker's defaults.
    """

    name: str
    partitions: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of all topics that begin with one prefix."""

    prefix: str = "tocsin"

    @property
    def deliveries(self) -> str:
        return f"{self.prefix}.deliveries"

    @property
    def redeliveries(self) -> str:
        return f"{self.prefix}.redeliveries"

    @property
    def attempts(self) -> str:
        return f"{self.prefix}.attempts"

    @property
    def dlq(self) -> str:
        return f"{self.prefix}.dlq"

    @property
    def quarantine(self) -> str:
        return f"{self.prefix}.quarantine"

    @property
    def subscriptions(self) -> str:
        return f"{self.prefix}.subscriptions"

    @property
    def health(self) -> str:
        return f"{self.prefix}.health"

    @property
    def keys(self) -> str:
        return f"{self.prefix}.keys"

    @property
    def jobs(self) -> str:
        return f"{self.prefix}.jobs"

    @property
    def audit(self) -> str:
        return f"{self.prefix}.audit"

    @property
    def clock(self) -> str:
        return f"{self.prefix}.clock"

    def events(self, system: str) -> str:
        return f"{self.prefix}.events.{system}"

    def delay(self, tier: str) -> str:
        # A newer version may have decided on a tier that this one does not know, and its effect has to be repeated.
        if not tiers.is_name(tier):
            raise KeyError(tier)
        return f"{self.prefix}.delay.{tier}"

    def group(self, program: str) -> str:
        """Return the consumer group of a program."""
        return f"{self.prefix}.{program}"

    def specs(self, systems: Iterable[str]) -> list[TopicSpec]:
        """Return every topic of an installation that serves `systems`."""
        return [
            *(TopicSpec(self.events(system), config=_kept(30)) for system in sorted(systems)),
            TopicSpec(self.deliveries, config=_kept(7)),
            TopicSpec(self.redeliveries, config=_kept(7)),
            *(TopicSpec(self.delay(tier), config=_delay(delay_s)) for tier, delay_s in tiers.TIERS.items()),
            TopicSpec(self.attempts, config=_kept(30)),
            TopicSpec(self.dlq, config=_kept(90) | _ARRIVAL | _LARGE),
            TopicSpec(self.quarantine, config=_kept(90) | _ARRIVAL | _LARGE),
            TopicSpec(self.subscriptions, 1, _TABLE),
            TopicSpec(self.health, 1, _TABLE),
            TopicSpec(self.keys, 1, _TABLE),
            TopicSpec(self.jobs, 1, _TABLE),
            TopicSpec(self.audit, config=_kept(400) | _ARRIVAL),
            TopicSpec(self.clock, 1, {"cleanup.policy": "delete", "retention.ms": "3600000"} | _ARRIVAL),
        ]


_ARRIVAL = {"message.timestamp.type": "LogAppendTime"}
_LARGE = {"max.message.bytes": str(clients.RECORD_MAX_BYTES)}
# One partition: a total order, so that one offset says how far a table has been read. The segment and
# compaction bounds limit how long a superseded secret stays on disk.
_TABLE = {
    "cleanup.policy": "compact",
    "segment.ms": str(DAY_MS),
    "max.compaction.lag.ms": str(2 * DAY_MS),
    "delete.retention.ms": str(DAY_MS),
}


def _kept(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS)}


def _delay(delay_s: int) -> dict[str, str]:
    retention_ms = max(10 * delay_s * 1000, 3 * DAY_MS)
    return {"cleanup.policy": "delete", "retention.ms": str(retention_ms)} | _ARRIVAL | _LARGE


def ensure(settings: Settings, systems: Iterable[str], timeout_s: float = 30.0) -> list[str]:
    """Create the topics that are missing and return once the broker serves them.

    Existing topics are left as they are. Several programs may call this at once.

    Returns:
        The names created by this call.

    Raises:
        KafkaUnavailable: No broker answered within `timeout_s`.
    """
    admin = clients.admin(settings)
    specs = Topics(settings.topic_prefix).specs(systems)
    missing = _missing(admin, specs, timeout_s)
    wanted = [
        NewTopic(
            spec.name,
            num_partitions=spec.partitions or settings.partitions,
            replication_factor=settings.replication,
            config=config(spec, settings.replication),
        )
        for spec in missing
    ]
    created = _create(admin, wanted, timeout_s) if wanted else []
    deadline = time.monotonic() + timeout_s
    sizes = {topic.topic: topic.num_partitions for topic in wanted}
    while _missing(admin, specs, timeout_s) or not led(admin, sizes):
        if time.monotonic() > deadline:
            raise KafkaUnavailable(f"topics were created but are not served after {timeout_s:.0f} s")
        time.sleep(0.05)
    return created


def expect(settings: Settings, names: Iterable[str], timeout_s: float = 30.0) -> None:
    """Return if there are these topics, and this principal may see them.

    Raises:
        KafkaUnavailable: One is not there yet, or no broker answered within `timeout_s`.
    """
    missing = _missing(clients.admin(settings), [TopicSpec(name) for name in names], timeout_s)
    if missing:
        raise KafkaUnavailable(
            f"no topic {', '.join(spec.name for spec in missing)}, or no permission to see it: `tocsin topics create` "
            "makes topics, `tocsin topics acls` says who may do what"
        )


def config(spec: TopicSpec, replication: int) -> dict[str, str]:
    """Return a topic's configuration at a replication factor."""
    return dict(spec.config) | ({"min.insync.replicas": "2"} if replication >= 3 else {})


def _missing(admin: AdminClient, specs: list[TopicSpec], timeout_s: float) -> list[TopicSpec]:
    try:
        known = admin.list_topics(timeout=timeout_s).topics
    except KafkaException as error:
        raise clients.unavailable("", error) from error
    return [spec for spec in specs if spec.name not in known]


def led(admin: AdminClient, sizes: Mapping[str, int]) -> bool:
    """Return whether every partition answers: metadata names a topic before its broker has taken it over.

    Args:
        sizes: Topic to the number of its partitions.
    """
    places = {
        TopicPartition(name, part): OffsetSpec.latest()  # type: ignore[no-untyped-call]
        for name, size in sizes.items()
        for part in range(size)
    }
    try:
        # What the client has heard of a topic it does not ask for again, though partitions are new since.
        admin.list_topics(timeout=10.0)
        for answer in admin.list_offsets(places).values() if places else ():
            answer.result()
    except KafkaException:
        return False
    return True


# What may pass: a broker that starts, a leader that is being chosen, a cluster that has lost some of its brokers.
_PASSING = frozenset(
    {
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_CONTROLLER,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.INVALID_REPLICATION_FACTOR,
    }
)


def _create(admin: AdminClient, wanted: list[NewTopic], timeout_s: float) -> list[str]:
    created = []
    for name, future in admin.create_topics(wanted, operation_timeout=timeout_s).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            code = error.args[0].code()
            if code in _PASSING:
                raise clients.unavailable(f"{name} cannot be created yet", error) from error
            if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise ConfigurationError(
                    "TOCSIN_CREATE_TOPICS",
                    "",
                    f"{name} is missing, and this principal may not make it: let an administrator run "
                    "`tocsin topics create`, and set this to false",
                ) from error
            if code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    return created
