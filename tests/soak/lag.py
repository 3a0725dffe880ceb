"""How far the consumers are behind, as the group's commits say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tocsin import tiers
from tocsin.kafka import clients
from tocsin.kafka.topics import Topics
from tocsin.settings import Settings

UNKNOWN: Final = "the lag is not known: "


def lagging(settings: Settings, systems: Sequence[str]) -> list[str]:
    """Return which programs lag, in words; Kafka not answering is a lag that is not known."""
    topics = Topics(settings.topic_prefix)
    read = {
        "router": [topics.events(system) for system in systems],
        "delivery": [topics.deliveries, topics.redeliveries],
        "delay": [topics.delay(tier) for tier in tiers.TIERS],
        "ledger": [topics.attempts, topics.deliveries, topics.redeliveries],
    }
    admin = clients.admin(settings)
    try:
        lags = {
            program: _lag(
                admin,
                topics.group(program),
                [TopicPartition(name, number) for name in names for number in range(settings.partitions)],
            )
            for program, names in read.items()
        }
    except KafkaException as error:
        return [UNKNOWN + error.args[0].str()]
    return [f"{program} lags by {lag}" for program, lag in lags.items() if lag]


def _lag(admin: AdminClient, group: str, parts: list[TopicPartition]) -> int:
    offsets = admin.list_offsets({part: OffsetSpec.latest() for part in parts})  # type: ignore[no-untyped-call]
    ends = {(part.topic, part.partition): future.result().offset for part, future in offsets.items()}
    (asked,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, parts)]).values()
    committed = asked.result().topic_partitions
    return sum(ends[part.topic, part.partition] - max(0, part.offset) for part in committed)
