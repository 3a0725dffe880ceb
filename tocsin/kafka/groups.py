"""How far consumer groups have come, and who is in them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException

from tocsin.kafka import clients
from tocsin.kafka.reader import each_known
from tocsin.settings import Settings

_ANSWER_S: Final = 10.0


def members(settings: Settings, names: Sequence[str]) -> dict[str, int]:
    """Return how many members groups have; a group that nobody ever joined has none.

    Raises:
        KafkaUnavailable: No answer.
    """
    admin = clients.admin(settings)  # kept: a client that is collected never answers
    try:
        asked = admin.describe_consumer_groups(list(names), request_timeout=_ANSWER_S)
    except KafkaException as error:
        raise clients.unavailable("the groups' members cannot be read", error) from error
    return {name: _members(name, future) for name, future in asked.items()}


def _members(name: str, asked: Future[Any]) -> int:
    try:
        return len(asked.result().members)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise clients.unavailable(f"the members of {name} cannot be read", error) from error


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
