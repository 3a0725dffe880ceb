"""The gateway as a process, with a real Kafka and registry: 202 stands for a record in the log, and for nothing less."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from deploy.local import settings as local_settings
from deploy.local.stack import Stack
from tests.harness.cluster import cluster
from tests.harness.installation import Assembled, Installation, header, installation
from tests.harness.posting import DATA, ORGANIZATION, event, post, publishers_key, stored_ids
from tocsin.client import Client
from tocsin.kafka.codec import Decoder
from tocsin.wire.systems import load_systems

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def world(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a gateway and a router."""
    with installation(stack, tmp_path_factory.mktemp("gateway")) as made:
        made.start("gateway", "router")
        yield made


@pytest.fixture(scope="module")
def key(world: Installation) -> str:
    """A publisher's key that counts."""
    return publishers_key(world)


def test_accepted_event_is_in_the_log_as_a_publishers_is(world: Installation, key: str) -> None:
    sent = event("e-1", subject="bot", time="2026-11-21T08:00:00Z", extensions={"partitionkey": "p"})
    assert post(world, key, sent, traceparent=TRACE).status_code == 202
    (message,) = [
        each for each in world.read(world.topics.events("governlayer")) if header(each, "ce_id") == "e-1"
    ]
    names = ("source", "type", "time", "subject", "organization", "partitionkey")
    assert [header(message, f"ce_{name}") for name in names] == [
        "/monitor",
        "drift.alert",
        "2026-11-21T08:00:00Z",
        "bot",
        ORGANIZATION,
        "p",
    ]
    assert message.key() == b"p"
    assert (header(message, "traceparent") or "").split("-")[1] == TRACE.split("-")[1]
    record = Decoder(world.registry)(message.value()).record
    assert {name: record[name] for name in DATA} == DATA
    known = load_systems()["governlayer"].event_types["drift.alert"]
    assert record.keys() == known.field_names()


def test_repeated_request_makes_the_same_delivery(world: Installation, key: str) -> None:
    subscription = world.subscription("http://127.0.0.1:9/never")
    ids = [
        [result["id"] for result in post(world, key, batch, **{"Idempotency-Key": "k"}).json()["results"]]
        for batch in [[{"type": "drift.alert", "data": DATA}] * 2] * 2
    ]
    assert ids[0] == ids[1]
    made = world.wait_for(
        world.topics.deliveries, lambda each: each.key() == subscription.id.encode(), count=4, timeout_s=15.0
    )
    assert len({header(each, "tocsin_delivery_id") for each in made}) == 2


def test_client_publishes_and_says_the_id(world: Installation, key: str) -> None:
    with Client(api_key=key, gateway_url=world.gateway_url) as client:
        made = client.events.publish("drift.alert", DATA, source="/monitor")
        assert client.events.publish("drift.alert", DATA, id="e-2") == "e-2"
    assert {made, "e-2"} <= set(stored_ids(world))


def test_accepted_requests_are_answered_when_it_is_asked_to_stop(world: Installation, key: str) -> None:
    gateway = next(each for each in world.fleet.programs if each.name == "gateway")
    accepted: list[str] = []
    refused: list[str] = []

    def publish(number: int) -> None:
        try:
            answer = post(world, key, event(f"s-{number}"))
        except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
            # Not connected, or closed before the gateway had read anything.
            refused.append(f"s-{number}")
            return
        assert answer.status_code == 202
        accepted.append(f"s-{number}")

    with ThreadPoolExecutor(4) as posters:
        ends = [posters.submit(publish, number) for number in range(60)]
        while len(accepted) < 10:
            assert not all(end.done() for end in ends)
        gateway.stop()
        for end in ends:
            end.result()
    assert refused, "it stopped too late to show anything"
    stored = set(stored_ids(world))
    assert set(accepted) <= stored
    assert not set(refused) & stored, "what was taken was answered"


def test_nothing_is_accepted_while_the_broker_cannot_be_reached(stack: Stack, tmp_path: Path) -> None:
    """The first caller waits for as long as there is hope; then it is known, and nobody waits."""
    with (
        cluster(tmp_path / "kafka", local_settings.load().lib) as broker,
        installation(Assembled(broker.kafka, stack.registry), tmp_path, partitions=1) as world,
    ):
        (way,) = broker.proxies
        world.another("gateway", TOCSIN_KAFKA=broker.detour)
        key = publishers_key(world)
        assert post(world, key, event("a-1")).status_code == 202

        way.cut()
        answer = post(world, key, [event("a-2"), event("a-3")])
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["ids"] == ["a-2", "a-3"]
        began_s = time.monotonic()
        assert post(world, key, event("a-4")).json()["code"] == "unavailable"
        assert time.monotonic() - began_s < 2.0
        assert httpx.get(f"{world.gateway_url}/readyz").status_code == 503

        way.heal()
        until = time.monotonic() + 20.0
        while post(world, key, event("a-5")).status_code != 202:
            assert time.monotonic() < until, "nothing is accepted 20 s after the broker is back"
        assert {"a-1", "a-5"} <= set(stored_ids(world))
        assert "a-4" not in stored_ids(world)
