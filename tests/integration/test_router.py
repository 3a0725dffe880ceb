"""Events become deliveries, against a real Kafka and registry: all that match, nobody else's, whatever happens."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from confluent_kafka import Message

from deploy.local.stack import Stack
from tests.harness.installation import Installation, header, installation
from tests.harness.proxy import Proxy
from tests.harness.publishing import KNOWN, SYSTEM, TYPE, publish, subscribe, subscription
from tests.harness.waiting import until
from tocsin import deliveries
from tocsin.access import RegistryAccess
from tocsin.deliveries import Delivery
from tocsin.kafka import pipeline
from tocsin.kafka.codec import Encoder
from tocsin.kafka.registry_http import RegistryHttp
from tocsin.kafka.writer import Outgoing
from tocsin.publisher import Acknowledged
from tocsin.subscriptions import EFFECTIVE_MARGIN_S

OTHER_TYPE = next(name for name in sorted(KNOWN) if name != TYPE)


def decoded(own: Installation, messages: list[Message]) -> list[Delivery]:
    decode = pipeline.decoder(own.registry, "delivery")
    return [deliveries.from_record(decode(message.value()).record) for message in messages]


def routed(
    own: Installation, count: int, wanted: Callable[[Message], bool] = lambda message: True
) -> list[Delivery]:
    """Return the deliveries that are wanted once there are `count` of them."""
    return decoded(own, own.wait_for(own.topics.deliveries, wanted, count=count))


def event_record(own: Installation, value: bytes | None, **headers: bytes | None) -> Outgoing:
    """Return a record of the events topic; `headers` go over those of a sound event."""
    sound: dict[str, bytes | None] = {
        "ce_id": uuid.uuid4().hex.encode(),
        "ce_source": b"/tests",
        "ce_type": TYPE.encode(),
        "ce_organization": b"acme",
    }
    whole: Mapping[str, bytes | None] = sound | headers
    pairs = [(name, data) for name, data in whole.items() if data is not None]
    return Outgoing(own.topics.events(SYSTEM), b"acme", value, pairs)


def sound_value(own: Installation, event_type: str = TYPE) -> bytes:
    known = KNOWN[event_type]
    return Encoder(own.registry, own.topics.events(SYSTEM), known.schema)(known.example)


FOREIGN: Final[Mapping[str, Any]] = {"string": "string", "union": ["null", "string"]}
"""Schemas that others may register."""


def framed(own: Installation, schema: Any) -> bytes:
    """Register a schema of somebody else's, which the registry takes, and return a value with its id."""
    http = RegistryHttp(own.settings.registry, 5.0, RegistryAccess())
    body = {"schema": json.dumps(schema), "schemaType": "AVRO"}
    answer = http.ask(
        "POST", "subjects", f"{own.settings.topic_prefix}-{uuid.uuid4().hex}", "versions", body=body
    )
    return b"\x00" + int(answer["id"]).to_bytes(4, "big") + b"\x02a"


@pytest.fixture(scope="module")
def routing(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a router, whose subscriptions are one organization's each but for acme's."""
    with installation(stack, tmp_path_factory.mktemp("routing")) as made:
        subscribe(made, subscription("all"))
        subscribe(made, *(subscription(name, **fields, organization="formats") for name, fields in FORMATS))
        subscribe(made, subscription("large", organization="large"))
        subscribe(made, subscription("before", organization="table"))
        made.write(Outgoing(made.topics.subscriptions, b"poison", b"\x07poison"))
        made.write(Outgoing(made.topics.subscriptions, b"foreign", framed(made, FOREIGN["string"])))
        subscribe(made, subscription("after", organization="table"))
        made.start("router")
        yield made


FORMATS: Final[Sequence[tuple[str, Mapping[str, str]]]] = (
    ("good", {}),
    ("bad", {"format": "nonesuch"}),
    ("fine", {}),
    ("unreadable", {"filters": "[[]]"}),
)


def of(organization: str) -> Callable[[Message], bool]:
    """Return a predicate: deliveries of an organization's events."""
    return lambda message: header(message, "ce_organization") == organization


def set_aside(made: Installation, reason: str) -> list[str]:
    """Wait for what is in quarantine for a reason, and return its reasons."""
    (found,) = made.wait_for(
        made.topics.quarantine, lambda message: reason in (header(message, "tocsin_reason") or "")
    )
    return (header(found, "tocsin_reason") or "").split("; ")


def test_event_becomes_one_delivery_for_each_subscription_that_wants_it(own: Installation) -> None:
    offsets = subscribe(
        own,
        subscription("all"),
        subscription("exact", TYPE),
        subscription("open", TYPE, format="cloudevents-structured"),
        subscription("filtered-in", filters='[{"prefix": {"source": "/te"}}]'),
        subscription("filtered-out", filters=json.dumps([{"not": {"exact": {"type": TYPE}}}])),
        subscription("other-type", OTHER_TYPE),
        subscription("inactive", active=False),
        subscription("other-organization", organization="umbrella"),
        subscription("other-system", system="tork"),
    )
    own.start("router")
    (event,) = publish(own)
    publish(own, organization="nobody")
    publish(own, OTHER_TYPE)
    messages = own.wait_for(
        own.topics.deliveries, lambda message: header(message, "ce_type") == TYPE, count=4
    )
    made = {delivery.subscription_id: delivery for delivery in decoded(own, messages)}
    assert made.keys() == {"all", "exact", "open", "filtered-in"}
    assert json.loads(made["open"].body)["data"] == dict(KNOWN[TYPE].example)
    assert [made[name].subscription_offset for name in ("all", "exact", "open")] == offsets[:3]
    for message, delivery in zip(messages, decoded(own, messages), strict=True):
        wanted = deliveries.delivery_id("/tests", TYPE, event.event_id, delivery.subscription_id)
        assert delivery.delivery_id == header(message, "tocsin_delivery_id") == str(wanted)
        assert (message.key() or b"").decode() == delivery.subscription_id
        assert (delivery.organization, delivery.system, delivery.event_id) == ("acme", SYSTEM, event.event_id)
        assert header(message, "ce_id") == event.event_id
        assert (header(message, "tocsin_run"), header(message, "tocsin_step")) == ("0", "0")


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        pytest.param(None, {}, "null", id="null"),
        pytest.param(b"", {}, "empty", id="empty"),
        pytest.param(b"{}", {}, "magic byte", id="magic byte"),
        pytest.param(b"\x00\x7f\xff\xff\xff\x02", {}, "unknown schema id", id="schema id"),
        pytest.param(b"\x00\x00", {}, "truncated", id="truncated"),
        pytest.param("string", {}, "not a record", id="schema of no record"),
        pytest.param("union", {}, "not a record", id="schema of a union"),
        pytest.param("cut", {}, "not tocsin.", id="cut off"),
        pytest.param("sound", {"ce_organization": None}, "ce_organization is missing", id="no organization"),
        pytest.param("sound", {"ce_type": None}, "ce_type is missing", id="no type"),
        pytest.param("sound", {"ce_type": b"no.such"}, "no event type of", id="unknown type"),
        pytest.param("sound", {"ce_type": OTHER_TYPE.encode()}, "the value is a", id="another type's value"),
        pytest.param("sound", {"ce_time": b"yesterday"}, "ce_time", id="time"),
        pytest.param("sound", {"ce_time": b"0001-01-01T00:00:00+14:00"}, "ce_time", id="before the calendar"),
        pytest.param("sound", {"ce_time": b"9999-12-31T23:59:59-14:00"}, "ce_time", id="after the calendar"),
        pytest.param("sound", {"ce_source": b"\xff"}, "UTF-8", id="not UTF-8"),
    ],
)
def test_poison_is_quarantined_with_its_reason_and_routing_goes_on(
    routing: Installation, value: bytes | str | None, headers: dict[str, bytes | None], reason: str
) -> None:
    sound = sound_value(routing)
    raw = value
    if isinstance(raw, str):
        raw = {"sound": sound, "cut": sound[:-3]}.get(raw) or framed(routing, FOREIGN[raw])
    (where,) = routing.write(event_record(routing, raw, **headers))
    source = f"{routing.topics.events(SYSTEM)}/{where.partition}/{where.offset}"
    (found,) = routing.wait_for(
        routing.topics.quarantine, lambda message: header(message, "tocsin_source") == source
    )
    assert reason in (header(found, "tocsin_reason") or "")
    record = pipeline.decoder(routing.registry, "quarantined")(found.value()).record
    assert (record["value"], record["program"]) == (raw, "router")
    (after,) = publish(routing)
    routing.wait_for(routing.topics.deliveries, lambda message: header(message, "ce_id") == after.event_id)


def test_event_without_id_gets_the_same_one_whoever_reads_it(routing: Installation) -> None:
    (where,) = routing.write(event_record(routing, sound_value(routing), ce_id=None))
    event_id = f"{routing.topics.events(SYSTEM)}-{where.partition}-{where.offset}"
    wanted = deliveries.delivery_id("/tests", TYPE, event_id, "all")
    routing.wait_for(
        routing.topics.deliveries, lambda message: header(message, "tocsin_delivery_id") == str(wanted)
    )


def test_format_that_fails_is_quarantined_by_name_and_the_others_go_out(routing: Installation) -> None:
    """So is an event of which nobody can say whether a subscription's filters, written by hand, let it through."""
    publish(routing, organization="formats")
    made = routed(routing, 2, of("formats"))
    assert {delivery.subscription_id for delivery in made} == {"good", "fine"}
    reasons = set_aside(routing, "nonesuch")
    assert [reason.partition(": ")[0] for reason in reasons] == ["unreadable", "nonesuch"]
    publish(routing, organization="formats")
    routed(routing, 4, of("formats"))


def test_delivery_that_fits_no_record_is_quarantined_and_the_next_event_goes_out(
    routing: Installation,
) -> None:
    """Control characters take six bytes each in JSON: sound data grows beyond what Kafka takes."""
    known = KNOWN["audit.completed"]
    data = dict(known.example) | {"decision": "\x01" * 200_000}
    value = Encoder(routing.registry, routing.topics.events(SYSTEM), known.schema)(data)
    routing.write(event_record(routing, value, ce_type=b"audit.completed", ce_organization=b"large"))
    (event,) = publish(routing, organization="large")
    set_aside(routing, "at most 1000000")
    assert [delivery.event_id for delivery in routed(routing, 1, of("large"))] == [event.event_id]


def test_poison_among_the_subscriptions_is_quarantined_and_the_others_are_served(
    routing: Installation,
) -> None:
    publish(routing, organization="table")
    made = routed(routing, 2, of("table"))
    assert {delivery.subscription_id for delivery in made} == {"before", "after"}
    source = f"{routing.topics.subscriptions}/0/"
    routing.wait_for(
        routing.topics.quarantine,
        lambda message: (
            (header(message, "tocsin_source") or "").startswith(source)
            and "magic byte" in (header(message, "tocsin_reason") or "")
        ),
    )


def test_change_counts_for_every_event_published_after_its_margin(own: Installation) -> None:
    """Enabled, a subscription gets the next event; disabled, it does not; both as soon as the margin is over."""
    subscribe(own, subscription("on"), subscription("off", active=False))
    own.start("router")
    for turn in range(4):
        version = turn + 2
        subscribe(
            own,
            subscription("on", active=turn % 2 == 0, version=version),
            subscription("off", active=turn % 2 == 1, version=version),
        )
        time.sleep(EFFECTIVE_MARGIN_S)  # the promise itself is a time
        publish(own)
        # An event that is routed late may see a later change, too: the next one waits.
        made = sorted_by_time(routed(own, turn + 1))
    assert [delivery.subscription_id for delivery in made] == ["on", "off", "on", "off"]


def sorted_by_time(made: list[Delivery]) -> list[Delivery]:
    return sorted(made, key=lambda delivery: delivery.event_time)


def first_met() -> Callable[[Message], bool]:
    """Return a predicate that is true for each delivery once."""
    met: set[str | None] = set()

    def new(message: Message) -> bool:
        before = len(met)
        met.add(header(message, "tocsin_delivery_id"))
        return len(met) > before

    return new


def wanted_ids(published: Sequence[Acknowledged], subscribers: int) -> set[str]:
    return {
        str(deliveries.delivery_id("/tests", TYPE, event.event_id, f"s{number}"))
        for event in published
        for number in range(subscribers)
    }


def test_nothing_is_lost_and_no_id_is_new_when_it_is_killed(own: Installation) -> None:
    """Killed in the middle of an event: an event with so many subscribers takes longer than a commit waits."""
    subscribe(own, *(subscription(f"s{number}") for number in range(5_000)))
    own.start("router")
    published = publish(own, count=4)
    own.wait_for(own.topics.deliveries, first_met(), count=7_000)
    own.fleet.programs[0].kill()
    assert len(own.read(own.topics.deliveries)) < 20_000, "it was killed too late to tell anything"
    own.another("router")
    made = own.wait_for(own.topics.deliveries, first_met(), count=20_000, timeout_s=40.0)
    assert {header(message, "tocsin_delivery_id") for message in made} == wanted_ids(published, 5_000)


def test_nothing_is_repeated_when_copies_join_and_stop_in_the_middle(own: Installation) -> None:
    subscribe(own, *(subscription(f"s{number}") for number in range(50)))
    own.start("router")
    published: list[Acknowledged] = []
    for turn in range(3):
        published += publish(own, count=100, extensions={"partitionkey": f"k{turn}"})
        own.another("router")
        published += publish(own, count=100, extensions={"partitionkey": f"l{turn}"})
        own.fleet.programs[turn].stop()
    own.wait_for(own.topics.deliveries, first_met(), count=30_000, timeout_s=60.0)
    own.fleet.stop()
    met = Counter(header(message, "tocsin_delivery_id") for message in own.read(own.topics.deliveries))
    assert met.keys() == wanted_ids(published, 50)
    assert met.total() == 30_000


def test_event_waits_while_the_registry_does_not_answer(own: Installation) -> None:
    """The record is fine: it is neither lost nor quarantined, and the group keeps its member."""
    subscribe(own, subscription("a"))
    port = urlsplit(own.settings.registry).port or 80
    with Proxy(port) as network:
        own.another("router", TOCSIN_REGISTRY=own.settings.registry.replace(f":{port}/", f":{network.port}/"))
        network.cut()
        (event,) = publish(own)
        until(lambda: "does not answer" in own.fleet.programs[0].process.said())
        network.heal()
        assert [delivery.event_id for delivery in routed(own, 1)] == [event.event_id]
    assert own.read(own.topics.quarantine) == []
