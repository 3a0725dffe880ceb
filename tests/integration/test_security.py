"""Secrets in a real run, and both APIs as an attacker meets them: real processes, one installation for all."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from deploy.local import settings as local_settings
from deploy.local.demo.receiver import Received
from deploy.local.demo.verification import DOCUMENTED
from deploy.local.programs import MODULES
from deploy.local.stack import Stack
from tests.harness.collector import Collector
from tests.harness.command import Tocsin
from tests.harness.installation import Api, Installation, await_effect, free_port, installation, probes_of
from tests.harness.receiver import Receiver
from tests.harness.waiting import until
from tocsin import Publisher, keys, secrets, subscriptions
from tocsin.kafka import clients, pipeline
from tocsin.subscriptions import Subscription, all_sealed
from tocsin.wire.systems import load_systems

TYPE: Final = "drift.alert"
EXAMPLE: Final = load_systems()["governlayer"].event_types[TYPE].example
TRACED: Final = NonRecordingSpan(
    SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
)
MARK: Final = "canary-that-must-be-found"
SLOW: Final = 100
ANSWERS_WITHIN_S: Final = 3.0
REVOKED_WITHIN_S: Final = 5.0
OLD, NEW = secrets.new_key_line("old"), secrets.new_key_line("new")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Where the programs of `world` export what they tell of themselves."""
    with Collector() as made:
        yield made


@pytest.fixture(scope="module")
def world(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[Installation]:
    """An installation with one of every program, whose records are not compressed: they lie open in the segments."""
    home = tmp_path_factory.mktemp("security")
    with installation(stack, home) as made:
        made.fleet.environment = {
            **made.fleet.environment,
            "TOCSIN_KEYRING": f"{OLD},{NEW}",
            "TOCSIN_LOG_LEVEL": "debug",
            "TOCSIN_CONTROL_RATE_PER_MINUTE": "1000000",
            "TOCSIN_PROBES": "127.0.0.1:0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_TRACES_SAMPLER": "parentbased_always_off",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        _leave_uncompressed(made)
        made.start(*MODULES)
        yield made


def _leave_uncompressed(made: Installation) -> None:
    entry = ConfigEntry("compression.type", "uncompressed", incremental_operation=AlterConfigOpType.SET)
    topics = [
        ConfigResource(ResourceType.TOPIC, spec.name, incremental_configs=[entry])
        for spec in made.topics.specs(load_systems())
    ]
    admin = clients.admin(made.settings)
    for future in admin.incremental_alter_configs(topics).values():
        future.result()


def test_no_secret_is_found_in_any_topic_log_trace_metric_file_or_answer(
    world: Installation, collector: Collector
) -> None:
    """After deliveries that arrive, fail, are disabled, tested and dead-lettered; the marker is found everywhere."""
    tag = uuid.uuid4().hex
    canaries = {
        name: f"{name:x<8}{tag}"[:32] for name in ("signing", "header", "routing", "slack", "rotated")
    }
    key = world.api_key("governlayer", "org-canary")
    api = Api(world.api_url, key)

    def verify(request: Received) -> None:
        if request.path.endswith("/pager"):
            assert json.loads(request.body)["routing_key"] == canaries["routing"]
        elif not request.path.endswith(canaries["slack"]):
            assert DOCUMENTED["governlayer"](request.headers, request.body, canaries["signing"])
            assert request.headers["x-token"] == canaries["header"]

    def answer(request: Received, earlier: int) -> tuple[int, dict[str, str]]:
        return {"/hook/failing": 500, "/hook/gone": 410}.get(request.path, 200), {"X-Found": MARK}

    with Receiver(verify=verify, answer=answer) as receiver:
        own: dict[str, Any] = {
            "secret": canaries["signing"],
            "headers": {"X-Token": canaries["header"]},
            "description": MARK,
        }
        made = [
            api.subscribe(f"{receiver.url}/{path}", [TYPE], **own) for path in ("good", "failing", "gone")
        ]
        chat = api.subscribe(f"{receiver.url}/{canaries['slack']}", [TYPE], format="slack", description=MARK)
        pager = api.subscribe(
            f"{receiver.url}/pager", [TYPE], format="pagerduty", secret=canaries["routing"], description=MARK
        )
        ids = {each["id"] for each in (*made, chat, pager)}
        await_effect(pager)
        with Publisher("governlayer", source="/test", settings=world.settings) as publisher, use_span(TRACED):
            publisher.publish(TYPE, EXAMPLE, organization="org-canary")
        receiver.wait_for(5)
        collector.wait_until(lambda: sum(span.name == "POST" for _, span in collector.spans) == 5)
        said = [
            api.call("POST", "/v1/webhooks/test", json={"webhook_id": chat["id"], "event_type": TYPE}),
            api.call("PATCH", f"/v1/webhooks/{chat['id']}", json={"active": False}),
            api.call("PATCH", f"/v1/webhooks/{made[1]['id']}", json={"description": MARK + "!"}),
            api.call("POST", f"/v1/webhooks/{pager['id']}/secret", json={"secret": canaries["rotated"]}),
        ]
        assert [answer.status_code for answer in said] == [202, 200, 200, 200]
        receiver.wait_for(6)
        world.wait_for(world.topics.attempts, lambda m: (m.key() or b"").decode() in ids, count=6)
        world.wait_for(world.topics.dlq, lambda m: (m.key() or b"").decode() == made[2]["id"])
    said += _every_answer(world, api, [made[0]["id"], chat["id"]])
    shown_once = said.pop(3)
    assert shown_once.json()["secret"] == canaries["rotated"]
    places = {
        **_topics(world),
        **_segments(world),
        **_files(world.fleet.home),
        **{f"answer {number}": answer.content for number, answer in enumerate(said)},
        **{f"export {number}": body for number, body in enumerate(collector.bodies)},
        **{f"metrics {number}": text for number, text in enumerate(_metrics(world))},
    }
    canaries |= {"key": key, "random": key.rpartition("_")[2][:40]}
    found = [
        (place, name)
        for place, content in places.items()
        for name, text in canaries.items()
        if any(form in content for form in _forms(text))
    ]
    assert found == [], found
    marked = [place for place, content in places.items() if MARK.encode() in content]
    for kind in ("topic", "segment", "answer"):
        assert any(place.startswith(kind) for place in marked), kind
    assert any(place.endswith(".log") for place in places)
    assert any(b"/hook/failing" in body for place, body in places.items() if place.startswith("export"))


def _metrics(world: Installation) -> Iterator[bytes]:
    for program in world.fleet.programs:
        yield httpx.get(f"{probes_of(program)}/metrics", trust_env=False).content


def _forms(text: str) -> Sequence[bytes]:
    """Return a text as it may be written down, in whole or from its second byte on."""
    raw = text.encode()
    return [
        raw,
        raw.hex().encode(),
        quote(text).encode(),
        *(base64.b64encode(raw[at:])[:24] for at in range(3)),
    ]


def _every_answer(world: Installation, api: Api, ids: Sequence[str]) -> list[Any]:
    """Return the answers to every GET that the API documents, for each id."""
    document = api.call("GET", "/openapi.json").json()
    paths = [path for path, methods in document["paths"].items() if "get" in methods]
    wanted = {path.replace("{webhook_id}", each) for path in paths for each in ids}
    return [api.call("GET", path) for path in sorted(wanted)]


def _topics(world: Installation) -> dict[str, bytes]:
    """Return all that every topic holds: keys, values, headers."""
    systems = load_systems()
    contents = {}
    for spec in world.topics.specs(systems):
        parts = []
        for message in world.read(spec.name):
            headers: Any = message.headers() or []
            parts += [message.key(), message.value(), *(value for _, value in headers)]
        contents[f"topic {spec.name}"] = b"\0".join(part for part in parts if part is not None)
    return contents


def _segments(world: Installation) -> dict[str, bytes]:
    """Return the broker's own files of every topic."""
    data = local_settings.load().data / "kafka"
    found = data.glob(f"{world.settings.topic_prefix}.*/*.log")
    return {f"segment {path.parent.name}/{path.name}": path.read_bytes() for path in found}


def _files(home: Path) -> dict[str, bytes]:
    """Return what the programs wrote on disk: logs, and the delivery log's store."""
    return {f"file {path}": path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_key_that_seals_is_changed_under_load_and_nothing_fails_or_is_signed_wrong(
    world: Installation, tmp_path: Path
) -> None:
    """Add, make primary, rewrap, take the old one out: every request verifies, every delivery arrives once."""
    secret, token = f"whsec_{os.urandom(16).hex()}", os.urandom(8).hex()
    api = Api(world.api_url, world.api_key("governlayer", "org-rewrap"))

    def verify(request: Received) -> None:
        assert DOCUMENTED["governlayer"](request.headers, request.body, secret)
        assert request.headers["x-token"] == token

    with Receiver(verify=verify) as receiver:
        ids = [
            api.subscribe(receiver.url, ["*"], secret=secret, headers={"X-Token": token})["id"]
            for _ in range(8)
        ]
        rows = {each.id: each for each in _rows(world) if each.id in ids}
        assert {sealed.key_id for each in rows.values() for sealed in all_sealed(each)} == {"old"}
        stop, sent = threading.Event(), list[str]()
        load = threading.Thread(target=_load, args=(world, list(rows.values()), stop, sent))
        load.start()
        try:
            _rewrap(world, tmp_path)
            # Each still decides with the row it has: only the new key is left to the one that starts now.
            only_new = world.another("delivery", TOCSIN_KEYRING=NEW)
            next(each for each in world.fleet.programs if each.name == "delivery").stop()
            mark = len(sent)
            until(lambda: len(sent) >= mark + 40)
        finally:
            stop.set()
            load.join()
        receiver.wait_for(len(sent), 60)
        assert only_new.process.pid() is not None
    rows = {each.id: each for each in _rows(world)}
    assert {sealed.key_id for each in rows.values() for sealed in all_sealed(each)} == {"new"}
    assert Counter(json.loads(each.body)["id"] for each in receiver.requests) == Counter(sent)
    attempts = [m for m in world.read(world.topics.attempts) if (m.key() or b"").decode() in ids]
    decode = pipeline.decoder(world.registry, "attempt")
    assert {decode(m.value()).record["verdict"] for m in attempts} == {"delivered"}


def _rewrap(world: Installation, home: Path) -> None:
    """Make the new key the primary one in a second control process, and let the command ask it."""
    port = free_port()
    world.another("control", TOCSIN_KEYRING=f"{NEW},{OLD}", TOCSIN_CONTROL_PORT=str(port))
    operator = world.api_key("governlayer", "operators", (keys.OPERATE,))
    command = Tocsin(world, home, operator)
    _, said = command.run(
        "keys", "rewrap", TOCSIN_API=f"http://127.0.0.1:{port}", TOCSIN_KEYRING=f"{NEW},{OLD}"
    )
    assert "all that is sealed is under new" in said


def _load(world: Installation, rows: Sequence[Subscription], stop: threading.Event, sent: list[str]) -> None:
    while not stop.wait(0.2):
        records = [record for row in rows for record in world.deliveries(row)]
        world.write(*records)
        sent += [dict(record.headers or ())["ce_id"].decode() for record in records]  # type: ignore[union-attr]


def _rows(world: Installation) -> list[Subscription]:
    decode = pipeline.decoder(world.registry, "subscription")
    rows = {
        message.key(): subscriptions.from_record(decode(message.value()).record, message.offset() or 0)
        for message in world.read(world.topics.subscriptions)
    }
    return list(rows.values())


def admitted(world: Installation, scopes: tuple[str, ...]) -> Api:
    """Make a key for an organization of its own."""
    return Api(world.api_url, world.api_key("governlayer", f"org-{os.urandom(4).hex()}", scopes))


def test_no_generated_request_is_answered_with_what_is_not_documented_while_slow_ones_hang(
    world: Installation, tmp_path: Path
) -> None:
    """On both APIs: no 5xx, no answer that the document does not know, through every check but one and every phase.

    The one is that what fits the schema is accepted: no schema says where a webhook may go, or what a cursor is. Keys
    are not revoked, because the run's own would be among them; paths that systems document are the same routes. Meanwhile hundreds of connections give nothing: heads
    that never end, bodies that never come.
    """
    api = admitted(world, (*keys.SCOPES, keys.OPERATE))
    begun = [b"POST /v1/webhooks HTTP/1.1\r\nHost: a\r\n", _head(api.key, "/v1/webhooks"), b""]
    slow = [_connected(url, text) for url in (world.api_url, world.gateway_url) for text in begun * SLOW]
    try:
        started = time.monotonic()
        assert api.call("GET", "/v1/webhooks").status_code == 200
        assert httpx.get(f"{world.gateway_url}/readyz", trust_env=False).status_code == 200
        assert time.monotonic() - started < ANSWERS_WITHIN_S
        runs = [_generated(url, api.key, tmp_path) for url in (world.api_url, world.gateway_url)]
        for run in runs:
            said, complained = run.communicate(timeout=110)
            assert run.returncode == 0, said[-8_000:] + complained[-2_000:]
    finally:
        for connection in slow:
            connection.close()


def _generated(url: str, key: str, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            Path(sys.executable).with_name("schemathesis"),
            *(
                "run",
                f"{url}/openapi.json",
                "--checks",
                "all",
                "--exclude-checks",
                "positive_data_acceptance",
            ),
            *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "2"),
            *("--exclude-path-regex", "^/(v1/keys/|api/)", "--header", f"X-API-Key: {key}"),
            *("--generation-deterministic", "--no-color"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
    )


def _head(key: str, path: str) -> bytes:
    fields = f"Host: a\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n{{".encode()


def _connected(url: str, text: bytes) -> socket.socket:
    at = httpx.URL(url)
    connection = socket.create_connection((at.host, at.port or 80), timeout=5.0)
    connection.sendall(text)
    return connection


def test_key_revoked_at_one_process_is_refused_by_every_other_within_five_seconds(
    world: Installation,
) -> None:
    port = free_port()
    world.another("control", TOCSIN_CONTROL_PORT=str(port))
    owner = admitted(world, ("admin",))
    made = owner.call("POST", "/v1/keys", json={"scopes": ["read", "publish"]}).json()
    everywhere = [Api(url, made["key"]) for url in (world.api_url, f"http://127.0.0.1:{port}")]
    gateway = Api(world.gateway_url, made["key"])

    def admitted_by() -> list[str]:
        here = [api.url for api in everywhere if api.call("GET", "/v1/webhooks").status_code != 401]
        return here + [gateway.url] * (gateway.call("POST", "/v1/events", json={}).status_code != 401)

    until(lambda: len(admitted_by()) == 3)
    assert owner.call("DELETE", f"/v1/keys/{made['id']}").status_code == 204
    until(lambda: admitted_by() == [], REVOKED_WITHIN_S)
