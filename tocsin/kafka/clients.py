"""How Kafka clients are made, with the options that the promises rest on, and what their errors mean: in one place.

librdkafka's own defaults would lose or repeat: no idempotence, `latest` for a new partition, CRC32 partitioning
that Java producers do not share.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from tocsin import access
from tocsin.errors import KafkaRefuses, KafkaUnavailable
from tocsin.settings import Settings

_log = logging.getLogger("tocsin.kafka.client")
"""Apart from this package's own: every lost connection is a line."""

RECORD_MAX_BYTES: Final = 1_600_000
"""The largest there is: a dead letter, or a quarantined one, is a whole record plus what went wrong with it."""

OUTSIDER: Final = "unused"
"""The group, after the prefix, of consumers outside of any: the client requires one; nobody joins it or commits to it."""

_GATHERED = {"fetch.min.bytes": 65_536, "fetch.wait.max.ms": 250}

_AHEAD = {
    "queued.min.messages": 1_000,
    "queued.max.messages.kbytes": 2_048,
    # By default a client that has this much fetches nothing for a second.
    "fetch.queue.backoff.ms": 20,
}
"""How much is fetched before it is read. It costs several times its size, and no more is needed to be never without."""

_NOT_ALLOWED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_REFUSED: Final = _NOT_ALLOWED | {
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.POLICY_VIOLATION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._INVALID_ARG,
    KafkaError._AUTHENTICATION,
}


def unavailable(what: str, error: KafkaException) -> KafkaUnavailable:
    """Return what a client's error means, in the broker's words: KafkaRefuses where it is an answer.

    Args:
        what: What was asked for; empty where the words say it.
    """
    code, said = error.args[0].code(), error.args[0].str()
    told = f"{what}: {said}" if what else said
    if code in _NOT_ALLOWED:
        told += "; `tocsin topics acls` says who may do what"
    return KafkaRefuses(told) if code in _REFUSED else KafkaUnavailable(told)


def admin(settings: Settings) -> AdminClient:
    """Return an admin client."""
    return AdminClient(_common(settings), logger=_log)


def producer(settings: Settings, *, linger_ms: float = 1.0, timeout_s: float | None = None) -> Producer:
    """Return an idempotent producer that waits for all in-sync replicas.

    Args:
        linger_ms: How long a batch may wait to grow.
        timeout_s: How long one record is tried. Below the session by default, so that a process which has lost
            its partitions cannot write about them after the new owner has looked.
    """
    timeout_s = timeout_s if timeout_s is not None else 0.8 * settings.session_s
    return Producer(
        _common(settings)
        | {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": linger_ms,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "message.timeout.ms": int(timeout_s * 1000),
            "message.max.bytes": RECORD_MAX_BYTES,
            "queue.buffering.max.messages": 200_000,
            "queue.buffering.max.kbytes": 131_072,
        },
        logger=_log,
    )


def group_consumer(
    settings: Settings, group: str, *, on_commit: Callable[..., None], unhurried: bool = False
) -> Consumer:
    """Return a member of a consumer group that commits only what it is told to.

    Args:
        unhurried: Let the broker gather records before it answers. The client names every partition in every fetch
            and answer, so that with many partitions small answers are mostly names.
    """
    return Consumer(
        _common(settings)
        | {
            "group.id": group,
            "group.protocol": "consumer",
            "group.remote.assignor": "range",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "on_commit": on_commit,
        }
        | _AHEAD
        | (_GATHERED if unhurried else {}),
        logger=_log,
    )


def plain_consumer(settings: Settings, **options: Any) -> Consumer:
    """Return a consumer outside of any group's coordination, for `assign()`: tables, look-ups, listings."""
    return Consumer(
        _common(settings)
        | {
            "group.id": f"{settings.topic_prefix}.{OUTSIDER}",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "enable.partition.eof": False,
        }
        | options,
        logger=_log,
    )


def _common(settings: Settings) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.kafka,
        "reconnect.backoff.max.ms": 1_000,
        "topic.metadata.refresh.interval.ms": 30_000,
        # A connection that swallows everything is given up after this; 60 s by default.
        "socket.timeout.ms": 10_000,
        **access.kafka(settings),
    }
