"""A dead letter for another subscription: a test with the body that there was, under the id it has there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consumers.replay.letters import Retarget, bounded
from tests.unit.samples import LETTER
from tocsin import deliveries
from tocsin.deliveries import Delivery
from tocsin.errors import RegistryUnavailable
from tocsin.jobs import ReplayRequest
from tocsin.kafka import pipeline
from tocsin.kafka.codec import Decoder, Encoder
from tocsin.kafka.registry import JsonSchema, Registry
from tocsin.selection import Selection
from tocsin.subscriptions import Subscription

TARGET = Subscription("wh_2", "acme", "driftguard", "https://h/", ("*",), 0, 0, 0, offset=17)
DELIVERY = Delivery(
    delivery_id=str(deliveries.delivery_id("/s", "drift.alert", "e", "wh_1")),
    organization="acme",
    subscription_id="wh_1",
    subscription_offset=3,
    system="driftguard",
    format=None,
    event_id="e",
    event_source="/s",
    event_type="drift.alert",
    event_time=1,
    content_type="application/json",
    headers=(("X-A", "b"),),
    body=b"{}",
)


class OneSchema(Registry):
    """A registry that knows the delivery's schema, and is asked for nothing else."""

    def __init__(self) -> None:
        """Know it; connect to nothing."""

    def register(self, subject: str, schema: JsonSchema, compatibility: str = "") -> int:
        return 1

    def schema(self, schema_id: int) -> dict[str, object]:
        if schema_id != 1:
            raise RegistryUnavailable(str(schema_id))
        return dict(pipeline.schema("delivery"))


DECODE = Decoder(OneSchema(), pipeline.schema("delivery"))
ENCODE = Encoder(OneSchema(), "t", pipeline.schema("delivery"))
DEAD = replace(LETTER, value=ENCODE(deliveries.to_record(DELIVERY)))


@pytest.mark.parametrize(
    ("asked", "ends"),
    [
        ({}, {0: 10, 1: 20, 2: 30}),
        ({"0": 7, "1": 25}, {0: 7, 1: 20, 2: 0}),
    ],
)
def test_request_that_names_ends_means_nothing_behind_them(
    asked: dict[str, int], ends: dict[int, int]
) -> None:
    """Not even in a partition that it does not name: nobody has counted what lies there."""
    request = ReplayRequest("prg-1", "key:k", 0, Selection(), kind="purge", end_offsets=asked)
    assert bounded({0: 10, 1: 20, 2: 30}, request) == ends


def test_letter_becomes_a_test_of_the_target_with_the_same_body() -> None:
    changed = Retarget(TARGET, DECODE, ENCODE)(DEAD)
    assert changed is not None
    made = deliveries.from_record(DECODE(changed.value).record)
    own_id = str(deliveries.delivery_id("/s", "drift.alert", "e", "wh_2"))
    assert (changed.subscription_id, changed.delivery_id, changed.progress.test) == ("wh_2", own_id, True)
    assert made == replace(DELIVERY, delivery_id=own_id, subscription_id="wh_2", subscription_offset=17)


@pytest.mark.parametrize(
    "other",
    [
        replace(TARGET, organization="rival"),
        replace(TARGET, system="tork"),
        replace(TARGET, format="cloudevents"),
    ],
)
def test_letter_of_another_tenant_or_format_is_none_for_the_target(other: Subscription) -> None:
    assert Retarget(other, DECODE, ENCODE)(DEAD) is None


def test_letter_that_cannot_be_read_is_none_for_any_target() -> None:
    assert Retarget(TARGET, DECODE, ENCODE)(replace(DEAD, value=b"\x07")) is None
