"""What a program does about a broker that takes nothing, a group that has forgotten, and a clock that is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from tests.harness.installation import Installation, header, probes_of
from tests.harness.publishing import SYSTEM, publish, subscribe, subscription
from tests.harness.waiting import until
from tocsin import lifecycle
from tocsin.kafka import clients, topics
from tocsin.lifecycle import Stop
from tocsin.wire.systems import load_systems


def committed(own: Installation) -> dict[int, int]:
    """Return what the router's group has committed, by partition of the events topic."""
    topic = own.topics.events(SYSTEM)
    parts = [TopicPartition(topic, number) for number in range(own.settings.partitions)]
    asked = ConsumerGroupTopicPartitions(own.topics.group("router"), parts)
    admin = clients.admin(own.settings)
    (answer,) = admin.list_consumer_group_offsets([asked]).values()
    return {part.partition: part.offset for part in answer.result().topic_partitions}


def ready(own: Installation) -> list[str]:
    """Return why an installation's first program is not ready; nothing when it is."""
    answer = httpx.get(f"{probes_of(own.fleet.programs[0])}/readyz", trust_env=False)
    reasons: list[str] = answer.json().get("reasons", [])
    assert (answer.status_code == 200) == (not reasons)
    return reasons


@contextmanager
def missing(own: Installation, topic: str) -> Iterator[None]:
    """Let the broker take no write to a topic, since there is none for a while."""
    admin = clients.admin(own.settings)
    admin.delete_topics([topic])[topic].result()
    try:
        yield
    finally:
        topics.ensure(own.settings, load_systems())


def test_event_is_committed_only_once_its_deliveries_are_acknowledged(own: Installation) -> None:
    """However long that takes, and though later events of other partitions are committed meanwhile.

    As long as it makes no progress it is not ready, though it lives.
    """
    own.fleet.environment = {**own.fleet.environment, "TOCSIN_PROBES": "127.0.0.1:0"}
    subscribe(own, subscription("a"))
    own.start("router")
    until(lambda: ready(own) == [])
    with missing(own, own.topics.deliveries):
        (wanted,) = publish(own)
        nobodys = next(
            event
            for number in range(100)
            for event in publish(own, organization="nobody", extensions={"partitionkey": str(number)})
            if event.partition != wanted.partition
        )
        until(lambda: committed(own)[nobodys.partition] > nobodys.offset)
        assert committed(own)[wanted.partition] <= wanted.offset
        until(lambda: any("acknowledged nothing" in reason for reason in ready(own)))
        assert httpx.get(f"{probes_of(own.fleet.programs[0])}/livez", trust_env=False).status_code == 200
        assert committed(own)[wanted.partition] <= wanted.offset
    until(lambda: committed(own)[wanted.partition] > wanted.offset)
    own.wait_for(own.topics.deliveries, lambda message: header(message, "ce_id") == wanted.event_id)
    until(lambda: ready(own) == [])


def test_events_are_routed_again_and_none_is_skipped_when_the_group_has_lost_its_offsets(
    own: Installation,
) -> None:
    subscribe(own, subscription("a"))
    own.start("router")
    (event,) = publish(own)
    own.wait_for(own.topics.deliveries, lambda message: True)
    own.fleet.stop()
    admin = clients.admin(own.settings)
    (gone,) = admin.delete_consumer_groups([own.topics.group("router")]).values()
    gone.result()
    (meanwhile,) = publish(own)
    own.another("router")
    made = own.wait_for(own.topics.deliveries, lambda message: True, count=3)
    ids = [header(message, "tocsin_delivery_id") for message in made]
    assert sorted(header(message, "ce_id") or "" for message in made) == sorted(
        [event.event_id, event.event_id, meanwhile.event_id]
    )
    assert len(set(ids)) == 2, "a repeat has the id that it had"


@pytest.mark.parametrize("skew_s", [600.0, -600.0], ids=["ahead", "behind"])
def test_program_does_not_start_until_its_clock_agrees_with_the_brokers(
    bare: Installation, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, skew_s: float
) -> None:
    """Signatures carry the time, and receivers refuse what is minutes off."""
    monkeypatch.setattr(lifecycle, "SKEW_CHECK_EVERY_S", 0.0)
    skews_s = [skew_s, skew_s / 2, 0.0]
    lifecycle.wait_for_clock(bare.settings, Stop(1.0), lambda: time.time() + skews_s.pop(0))
    assert skews_s == []
    said = [record.getMessage() for record in caplog.records if "clock is" in record.getMessage()]
    assert [each.split(" off")[0].split()[-2] for each in said] == [f"{skew_s:+.0f}", f"{skew_s / 2:+.0f}"]
