"""Every program with its own principal and its own permissions alone, on a broker that denies everything else."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final
from unittest import mock

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from deploy.local import settings as local_settings
from deploy.local.stack import Stack
from tests.harness.command import Command
from tests.harness.guarded import Guarded, guarded, unsigned_token
from tests.harness.installation import Api, Assembled, Installation, await_effect, installation
from tests.harness.receiver import Receiver
from tests.harness.waiting import until
from tocsin import Publisher
from tocsin import settings as settings_module
from tocsin.kafka import clients
from tocsin.settings import Settings
from tocsin.wire.systems import load_systems

PROGRAMS: Final = ("control", "gateway", "router", "delivery", "delay", "ledger", "replay")
DENIED: Final = {"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"}
SYSTEM: Final = "driftguard"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, stack: Stack) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("guarded") / "kafka", local_settings.load().lib) as made:
        yield made


@pytest.fixture(scope="module")
def world(broker: Guarded, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose topics are made, whose users may do what the command says, and nothing runs."""
    home = tmp_path_factory.mktemp("world")
    with installation(Assembled(broker.kafka, stack.registry), home, partitions=2) as made:
        broker.grant(Command(made).json("topics", "acls", "--principal", "User:{program}"))
        yield made


def settings_of(world: Installation, broker: Guarded, user: str) -> Settings:
    """Return the settings of a program, as it would read them."""
    own = {"TOCSIN_REGISTRY": world.settings.registry, "TOCSIN_TOPIC_PREFIX": world.settings.topic_prefix}
    with mock.patch.dict("os.environ", own | broker.environment(user)):
        return settings_module.load()


@pytest.mark.timeout(240)
def test_event_is_delivered_logged_and_replayed_with_every_program_confined(
    world: Installation, broker: Guarded
) -> None:
    """Its retry waits in a tier, a dead letter disables the endpoint, and its replay is audited."""
    for name in PROGRAMS:
        trusted = {"TOCSIN_CA_FILE": str(broker.authority.ca_file), "TOCSIN_CREATE_TOPICS": "false"}
        world.fleet.add(name, 1, **trusted, **broker.environment(name))
    api = Api(world.api_url, world.api_key(SYSTEM, "acme"))
    world.fleet.start()
    statuses = iter((500, 200, 410))
    name, known = next(iter(load_systems()[SYSTEM].event_types.items()))
    publisher = settings_of(world, broker, f"publisher-{SYSTEM}")
    tls = broker.authority.server_context()
    with Receiver(lambda request, earlier: (next(statuses, 200), {}), lambda request: None, tls) as receiver:
        made = api.subscribe(receiver.url, ["*"])
        webhook = made["id"]
        await_effect(made)
        with Publisher(SYSTEM, source="/test", settings=publisher) as direct:
            direct.publish(name, known.example, organization="acme")
        receiver.wait_for(2)
        event = {"id": "e-2", "source": "/test", "type": name, "data": dict(known.example)}
        assert Api(world.gateway_url, api.key).call("POST", "/v1/events", json=event).status_code == 202
        receiver.wait_for(3)
        until(lambda: api.call("GET", f"/v1/webhooks/{webhook}").json()["active"] is False)
        assert api.call("PATCH", f"/v1/webhooks/{webhook}", json={"active": True}).status_code == 200
        asked = api.call("POST", "/v1/replays", json={"selection": {"webhook_id": webhook}})
        assert asked.status_code == 202, asked.text
        receiver.wait_for(4)
        until(lambda: logged(api) == {"delivered": 2})
    operator = Command(world, **broker.environment("operator"))
    until(lambda: {entry["action"] for entry in operator.json("audit")} >= {"replay.done"})
    assert {finding["check"] for finding in operator.json("doctor")["findings"]} <= {"brokers"}


def logged(api: Api) -> Counter[str]:
    """Return how many deliveries the log has, by status."""
    return Counter(item["status"] for item in api.call("GET", "/v1/deliveries").json()["data"])


def test_principal_is_denied_what_its_program_does_not_do(world: Installation, broker: Guarded) -> None:
    names = world.topics
    reads = {"router": names.keys, "delivery": names.keys, "gateway": names.subscriptions, "delay": names.dlq}
    # These may see that there is such a topic, and write to it or make it, but not what is in it.
    reads |= {
        f"publisher-{SYSTEM}": names.events(SYSTEM),
        "ledger": names.quarantine,
        "installer": names.keys,
    }
    writes = {
        "router": names.audit,
        "delivery": names.subscriptions,
        "ledger": names.keys,
        "gateway": names.dlq,
    }
    writes |= {f"publisher-{SYSTEM}": names.events("governlayer"), "replay": names.subscriptions}
    for user, topic in reads.items():
        assert refusal(settings_of(world, broker, user), reading(topic)) in DENIED, (user, topic)
    for user, topic in writes.items():
        assert refusal(settings_of(world, broker, user), writing(topic)) in DENIED, (user, topic)
    for user in ("control", "replay", "operator", "installer"):
        for harm in harms(names.audit):
            assert refusal(settings_of(world, broker, user), harm) in DENIED, user


def refusal(settings: Settings, attempt: Callable[[Settings], None]) -> str | None:
    """Return how the broker refuses an attempt, or None if it does not."""
    try:
        attempt(settings)
    except KafkaException as error:
        return str(error.args[0].name())
    return None


def reading(topic: str) -> Callable[[Settings], None]:
    def attempt(settings: Settings) -> None:
        consumer = clients.plain_consumer(settings)
        try:
            unseen = consumer.list_topics(topic, timeout=10.0).topics[topic].error
            if unseen is not None:
                raise KafkaException(unseen)
            consumer.assign([TopicPartition(topic, 0, 0)])
            message = consumer.poll(10.0)
            if message is not None and message.error() is not None:
                raise KafkaException(message.error())
        finally:
            consumer.close()

    return attempt


def writing(topic: str) -> Callable[[Settings], None]:
    def attempt(settings: Settings) -> None:
        producer = clients.producer(settings)
        failed: list[KafkaError | None] = []
        producer.produce(topic, b"", on_delivery=lambda error, _: failed.append(error))
        producer.flush(10.0)
        if failed[0] is not None:
            raise KafkaException(failed[0])

    return attempt


def harming(ask: Callable[[AdminClient], Mapping[Any, Future[Any]]]) -> Callable[[Settings], None]:
    def attempt(settings: Settings) -> None:
        admin = clients.admin(settings)
        for answer in ask(admin).values():
            answer.result(30.0)

    return attempt


def harms(topic: str) -> Iterator[Callable[[Settings], None]]:
    """Yield what would take something out of a topic."""
    shorter = ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[shorter])
    yield harming(lambda admin: admin.delete_records([TopicPartition(topic, 0, 1)]))
    yield harming(lambda admin: admin.delete_topics([topic]))
    yield harming(lambda admin: admin.incremental_alter_configs([resource]))


@contextmanager
def identity_provider(asked: list[str]) -> Iterator[str]:
    """Issue tokens to whoever asks; yields the address, and notes the credentials."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.headers["Authorization"])
            token = unsigned_token("router", int(time.time()))
            body = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 600}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        thread.join()


def test_every_way_to_prove_who_one_is_lets_in_and_a_wrong_password_does_not(broker: Guarded) -> None:
    asked: list[str] = []
    sasl = {"kafka": broker.sasl, "kafka_security": "sasl_ssl", "kafka_ca_file": broker.authority.ca_file}
    shown = {
        "kafka_certificate_file": broker.certificate,
        "kafka_key_file": broker.certificate.with_suffix(".key"),
    }
    with identity_provider(asked) as url:
        plain = {"kafka_mechanism": "PLAIN", "kafka_username": "plain", "kafka_password": "plain"}
        token = {"kafka_mechanism": "OAUTHBEARER", "kafka_username": "r", "kafka_password": "s"}
        for fields in (
            sasl | plain,
            sasl | token | {"kafka_token_url": url},
            sasl | shown | {"kafka": broker.mutual, "kafka_security": "ssl"},
        ):
            # Whoever gets in is told of the brokers; of topics, what its permissions say.
            found = clients.admin(Settings(_env_file=None, **fields)).list_topics(timeout=15.0)  # type: ignore[arg-type, call-arg]
            assert len(found.brokers) == 1
    assert asked == ["Basic cjpz"]
    wrong = Settings(_env_file=None, **sasl | plain | {"kafka_password": "no"})  # type: ignore[arg-type, call-arg]
    with pytest.raises(KafkaException):
        clients.admin(wrong).list_topics(timeout=2.0)
