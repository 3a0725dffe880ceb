"""An installation of real processes in a world of its own: one topic prefix, its own keys, groups and ports."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
from confluent_kafka import Message, TopicPartition

from deploy.local.programs import Fleet, Program
from tests.harness.waiting import until
from tocsin import deliveries, keys, secrets, subscriptions
from tocsin.kafka import clients, pipeline, snapshot
from tocsin.kafka import topics as topics_module
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.secrets import load_keyring
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

WRITTEN_S: Final = 10.0
"""How long records may take until they are acknowledged."""
ADMITTED_S: Final = 5.0
"""How old a node's knowledge of keys may be."""
_PORTS: Final = iter(random.SystemRandom().sample(range(20_000, 32_000), 12_000))
"""Below those that the kernel gives to outgoing connections: one of these is taken again before a program listens."""


class Servers(Protocol):
    """Where an installation finds Kafka and the registry; the local stack is one."""

    @property
    def kafka(self) -> str: ...

    @property
    def registry(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Assembled:
    """The Kafka of one stack and the registry of another."""

    kafka: str
    registry: str


@dataclass(slots=True)
class Installation:
    """One installation.

    Attributes:
        settings: What its programs run with.
        fleet: Its processes.
        api_url: Where its control API listens, once started.
        gateway_url: Where its gateway listens, once started.
    """

    settings: Settings
    fleet: Fleet
    api_url: str
    gateway_url: str
    registry: Registry = field(init=False)
    _writer: Writer = field(init=False)
    _has_key: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.registry = Registry(self.settings)
        self._writer = Writer(self.settings)  # one for all: each takes half a second until its first write

    @property
    def topics(self) -> Topics:
        """Its topics."""
        return Topics(self.settings.topic_prefix)

    def start(self, *names: str) -> None:
        """Start one copy of each program, and wait until all are ready."""
        self._admit_somebody(*names)
        for name in names:
            self.fleet.add(name)
        self.fleet.start()

    def another(self, name: str, **environment: str) -> Program:
        """Start one more copy of a program, and wait until it is ready."""
        self._admit_somebody(name)
        (program,) = self.fleet.add(name, 1, **environment)
        program.start()
        return program

    def _admit_somebody(self, *names: str) -> None:
        """Make a key for programs that do not start without any."""
        if not self._has_key and {"control", "gateway"} & set(names):
            self.api_key("governlayer", "nobody", ())

    def api_key(self, system: str, organization: str, scopes: tuple[str, ...] = keys.SCOPES) -> str:
        """Make an API key and return its text, once the control API knows it if that runs."""
        self._has_key = True
        key_id, text = keys.new_key(os.urandom(64))
        key = keys.ApiKey(key_id, organization, system, keys.digest(text), scopes, int(time.time() * 1000))
        encode = pipeline.encoder(self.registry, self.topics, "api_key")
        self.write(Outgoing(self.topics.keys, key_id.encode(), encode(keys.to_record(key))))
        if any(program.name == "control" and program.process.pid() for program in self.fleet.programs):
            api = Api(self.api_url, text)
            until(
                lambda: api.call("GET", "/v1/webhooks").status_code != 401,
                ADMITTED_S,
                "the key does not count",
            )
        return text

    def subscription(self, url: str, *, secret: str | None = None, **changes: Any) -> Subscription:
        """Write a subscription by hand, as the control API would, and return it; `changes` are its fields."""
        subscription_id = f"wh_{uuid.uuid4().hex[:24]}"
        now_ms = int(time.time() * 1000)
        made = Subscription(
            id=subscription_id,
            organization="acme",
            system="governlayer",
            url=url,
            event_types=("*",),
            created_at=now_ms,
            updated_at=now_ms,
            effective_at=now_ms,
        )
        if secret is not None:
            sealed = load_keyring(self.settings).seal(
                secret,
                topic=self.topics.subscriptions,
                organization=changes.get("organization", made.organization),
                subscription=made.id,
                secret_id="s1",
                now_ms=now_ms,
            )
            made = replace(made, secrets=(sealed,))
        made = replace(made, **changes)
        encode = pipeline.encoder(self.registry, self.topics, "subscription")
        record = Outgoing(self.topics.subscriptions, made.id.encode(), encode(subscriptions.to_record(made)))
        (written,) = self.write(record)
        return replace(made, offset=written.offset)

    def deliveries(
        self, subscription: Subscription, count: int = 1, progress: deliveries.Progress | None = None
    ) -> list[Outgoing]:
        """Return records for the deliveries topic, as the router would write them, for new events."""
        encode = pipeline.encoder(self.registry, self.topics, "delivery")
        now_ms, batch = int(time.time() * 1000), uuid.uuid4().hex[:8]
        made = []
        for number in range(count):
            event_id = f"{batch}-{number}"
            delivery_id = str(deliveries.delivery_id("/test", "drift.alert", event_id, subscription.id))
            delivery = deliveries.Delivery(
                delivery_id=delivery_id,
                organization=subscription.organization,
                subscription_id=subscription.id,
                subscription_offset=subscription.offset,
                system=subscription.system,
                format=subscription.format,
                event_id=event_id,
                event_source="/test",
                event_type="drift.alert",
                event_time=now_ms,
                content_type="application/json",
                headers=(("User-Agent", "test"),),
                body=json.dumps({"id": event_id}).encode(),
            )
            headers = [
                ("ce_id", event_id.encode()),
                ("ce_type", b"drift.alert"),
                ("ce_organization", subscription.organization.encode()),
                ("tocsin_delivery_id", delivery_id.encode()),
                *deliveries.progress_headers(progress or deliveries.Progress()),
            ]
            value = encode(deliveries.to_record(delivery))
            made.append(Outgoing(self.topics.deliveries, subscription.id.encode(), value, headers))
        return made

    def write(self, *records: Outgoing) -> list[Written]:
        """Write records by hand, and return where they stand, in their order, once all are acknowledged.

        Raises:
            AssertionError: One was refused for good, or is not acknowledged in time.
        """
        deadline = time.monotonic() + WRITTEN_S
        asked: list[Future[Written]] = [Future() for _ in records]
        for record, future in zip(records, asked, strict=True):
            self._writer.write(record, future.set_result, wanted=lambda: time.monotonic() < deadline)
        _, missing = futures.wait(asked, WRITTEN_S)
        assert not missing, f"{len(missing)} of {len(asked)} not acknowledged: {self._writer.complaint}"
        written = [future.result() for future in asked]
        refused = [each.error for each in written if each.error is not None]
        assert not refused, f"{len(refused)} of {len(asked)} not written: {refused[0]}"
        return written

    def close(self) -> None:
        """Write nothing more."""
        self._writer.close()

    def read(self, topic: str) -> list[Message]:
        """Return every record that stands in a topic now."""
        return list(snapshot.read(self.settings, topic, snapshot.ends(self.settings, topic)))

    def wait_for(
        self, topic: str, wanted: Callable[[Message], bool], *, count: int = 1, timeout_s: float = 30.0
    ) -> list[Message]:
        """Return matching records once there are `count` of them; AssertionError if that takes longer."""
        deadline = time.monotonic() + timeout_s
        with _reading(self.settings, topic) as consumer:
            found: list[Message] = []
            while len(found) < count:
                assert time.monotonic() < deadline, (
                    f"{len(found)} of {count} in {topic} after {timeout_s:.0f} s"
                )
                message = consumer.poll(0.2)
                if message is not None and message.error() is None and wanted(message):
                    found.append(message)
            return found


def header(message: Message, name: str) -> str | None:
    """Return a header of a record as text, or None."""
    headers: Any = message.headers() or []
    return next((value.decode() for key, value in headers if key == name), None)


def await_effect(webhook: Mapping[str, Any]) -> None:
    """Wait until every router knows a webhook as the API answered it: from then on a delivery is certain."""
    time.sleep(max(datetime.fromisoformat(webhook["effective_at"]).timestamp() - time.time(), 0.0))


@contextmanager
def _reading(settings: Settings, topic: str) -> Iterator[Any]:
    consumer = clients.plain_consumer(settings)
    try:
        partitions = consumer.list_topics(topic, timeout=10.0).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        yield consumer
    finally:
        consumer.close()


def probes_of(program: Program) -> str:
    """Return where a program's probes answer."""
    said = re.search(r"probes and metrics at (\S+)", program.process.said())
    assert said is not None
    return said[1]


def free_port() -> int:
    """Return a TCP port that nobody has, and that this process was not given before."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


@contextmanager
def installation(
    stack: Servers, home: Path, *, partitions: int = 4, replication: int = 1
) -> Iterator[Installation]:
    """Make an installation in the running stack, without programs; its topics are deleted at the end."""
    prefix = f"test.{uuid.uuid4().hex[:8]}"
    keyring = secrets.new_key_line("test")
    port, gateway_port = free_port(), free_port()
    environment = {
        "TOCSIN_KAFKA": stack.kafka,
        "TOCSIN_REGISTRY": stack.registry,
        "TOCSIN_TOPIC_PREFIX": prefix,
        "TOCSIN_PARTITIONS": str(partitions),
        "TOCSIN_REPLICATION": str(replication),
        "TOCSIN_KEYRING": keyring,
        "TOCSIN_ALLOW_HTTP": "true",
        "TOCSIN_ALLOW_CIDRS": '["127.0.0.0/8"]',
        "TOCSIN_CONTROL_PORT": str(port),
        "TOCSIN_GATEWAY_PORT": str(gateway_port),
        "TOCSIN_LEDGER": f"sqlite:///{home / 'ledger.db'}",
    }
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        kafka=stack.kafka,
        registry=stack.registry,
        topic_prefix=prefix,
        partitions=partitions,
        replication=replication,
        keyring=keyring,  # type: ignore[arg-type]
        allow_http=True,
        allow_cidrs=("127.0.0.0/8",),
        ledger=f"sqlite:///{home / 'ledger.db'}",  # type: ignore[arg-type]
    )
    made = Installation(
        settings, Fleet(home, environment), f"http://127.0.0.1:{port}", f"http://127.0.0.1:{gateway_port}"
    )
    created = topics_module.ensure(settings, load_systems())
    try:
        yield made
    finally:
        # Nobody needs what they would still write: their topics go.
        made.fleet.kill()
        made.close()
        admin = clients.admin(settings)
        for future in admin.delete_topics(created).values():
            future.result()


@dataclass(frozen=True, slots=True)
class Api:
    """A caller of the control API with one key."""

    url: str
    key: str

    def call(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """Make one request."""
        return httpx.request(
            method,
            self.url + path,
            headers={"X-API-Key": self.key, **(headers or {})},
            timeout=15.0,
            trust_env=False,
            **options,
        )

    def subscribe(self, url: str, events: list[str], **fields: Any) -> dict[str, Any]:
        """Create a subscription and return the answer."""
        answer = self.call("POST", "/v1/webhooks", json={"url": url, "events": events, **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made
