"""How far consumer groups have come."""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException

from tocsin.kafka import clients
from tocsin.kafka.reader import each_known
from tocsin.settings import Settings

_ANSWER_S: Final = 10.0


def committed(settings: Settings, group: str) -> dict[str, dict[int, int]]:
    """Return topic and partition to the offset that a group has committed; what it never committed is not named.

    Raises:
        KafkaUnavailable: No answer.
    """
    asked: Any = [ConsumerGroupTopicPartitions(group)]
    found: dict[str, dict[int, int]] = {}
    admin = clients.admin(settings)  # kept: a client that is collected never answers
    try:
        (future,) = admin.list_consumer_group_offsets(asked, request_timeout=_ANSWER_S).values()
        for place in each_known(future.result().topic_partitions or []):
            if place.offset >= 0:
                found.setdefault(place.topic, {})[place.partition] = place.offset
    except KafkaException as error:
        raise clients.unavailable(f"group {group}", error) from error
    return found
