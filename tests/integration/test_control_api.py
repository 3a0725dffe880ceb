"""The control API as a process, with a real Kafka and registry."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from control.overtaken import Overtaken
from control.store import Store
from deploy.local.errors import StackError
from deploy.local.settings import CHECKOUT
from deploy.local.stack import Stack
from tests.harness.installation import Api, Installation, free_port, installation
from tests.harness.waiting import until
from tocsin import sealing, secrets, subscriptions
from tocsin.client import Client
from tocsin.errors import NotAcknowledged, RequestRefused
from tocsin.kafka import pipeline
from tocsin.kafka.tables import Table
from tocsin.kafka.writer import Outgoing, Writer
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

PATH = "/v1/webhooks"
EVENTS = ["breaking", "warning"]
GOOD: dict[str, Any] = {"url": "https://example.com/hook", "events": EVENTS}
SLACK = "https://hooks.slack.com/services/your/slack/webhook"


@pytest.fixture(scope="module")
def world(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with the control API alone."""
    with installation(stack, tmp_path_factory.mktemp("control")) as made:
        made.start("control")
        yield made


@pytest.fixture
def organization() -> str:
    """One for each test."""
    return f"org-{os.urandom(4).hex()}"


@pytest.fixture
def api(world: Installation, organization: str) -> Api:
    """A caller who may do everything."""
    return caller(world, organization, "manage", "read")


def caller(world: Installation, organization: str, *scopes: str, system: str = "driftguard") -> Api:
    """Make a key for somebody."""
    return Api(world.api_url, world.api_key(system, organization, scopes))


def test_created_webhook_is_read_back_at_once(api: Api) -> None:
    made = api.subscribe(**GOOD, contract_id="c-1")
    read = api.call("GET", f"{PATH}/{made['id']}")
    assert read.status_code == 200
    assert read.json() == {name: made[name] for name in made if name != "secret"}
    assert api.call("GET", PATH).json() == {"data": [read.json()], "next": None}


def test_documented_request_has_the_documented_answer(api: Api) -> None:
    body = {"url": SLACK, "events": EVENTS, "contract_id": None}
    answer = api.call("POST", "/api/v1/webhooks", json=body)
    made = answer.json()
    assert answer.status_code == 201
    assert list(made) == ["id", "url", "events", "contract_id", "active", "secret", "created_at"]
    assert {name: made[name] for name in (*body, "active")} == {**body, "active": True}
    assert made["secret"].startswith("whsec_")
    assert datetime.strptime(made["created_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


@pytest.mark.parametrize("system", sorted(load_systems()))
def test_every_system_takes_all_its_events_and_gives_a_secret(
    world: Installation, organization: str, system: str
) -> None:
    api = caller(world, organization, "manage", "read", system=system)
    names = list(load_systems()[system].event_types)
    made = api.subscribe("https://example.com/", [*names, "*"])
    assert made["events"] == [*names, "*"]
    assert len(made["secret"]) >= 32


def test_webhook_counts_from_a_time_to_come(api: Api) -> None:
    made = api.subscribe(**GOOD)
    assert time.time() < datetime.fromisoformat(made["effective_at"]).timestamp() < time.time() + 2.0


def test_late_acknowledgement_moves_on_the_time_from_which_a_webhook_counts(world: Installation) -> None:
    """The clock jumps while the first write is under way: that one named a time too early."""
    times_ms = iter([0, 10_000, 10_000, 10_001])
    with store(world.settings, world, lambda: next(times_ms)) as made:
        written = made.put(_subscription("wh_late"))
        assert written.effective_at == 10_000 + 2 * 250 + 1_000
        values = [each for each in world.read(world.topics.subscriptions) if each.key() == b"wh_late"]
        assert [each.offset() for each in values][-1] == written.offset
        assert len(values) == 2
        made.remove(written)


def test_write_without_a_broker_is_not_acknowledged(world: Installation) -> None:
    away = world.settings.model_copy(update={"kafka": f"127.0.0.1:{free_port()}"})
    with store(away, world, lambda: 0) as made, pytest.raises(NotAcknowledged, match="within 5 s"):
        made.put(_subscription("wh_away"))


def test_record_holds_what_was_asked_for_and_no_secret_text(
    world: Installation, api: Api, organization: str
) -> None:
    made = api.subscribe(**GOOD, contract_id="c-2", headers={"X-Team": "risk"})
    decode = pipeline.decoder(world.registry, "subscription")
    (message,) = [
        each for each in world.read(world.topics.subscriptions) if each.key() == made["id"].encode()
    ]
    stored = subscriptions.from_record(decode(message.value()).record, message.offset() or 0)
    assert (stored.organization, stored.system, stored.scope) == (
        organization,
        "driftguard",
        {"contract_id": "c-2"},
    )
    assert stored.event_types == tuple(EVENTS)
    assert made["secret"].encode() not in (message.value() or b"")
    assert b"risk" not in (message.value() or b"")
    keyring = secrets.load_keyring(world.settings)
    assert sealing.opened(stored, keyring, world.topics.subscriptions).headers == {"X-Team": "risk"}
    place = {"topic": world.topics.subscriptions, "organization": organization, "subscription": made["id"]}
    assert keyring.open(stored.secrets[0], **place) == made["secret"]


def test_deleted_webhook_is_gone_at_once_and_leaves_a_tombstone(world: Installation, api: Api) -> None:
    made = api.subscribe(**GOOD)
    assert api.call("DELETE", f"{PATH}/{made['id']}").status_code == 204
    assert api.call("GET", f"{PATH}/{made['id']}").status_code == 404
    assert api.call("GET", PATH).json()["data"] == []
    assert [
        each.value() is None
        for each in world.read(world.topics.subscriptions)
        if each.key() == made["id"].encode()
    ] == [False, True]


def test_ten_megabytes_are_refused_before_they_are_sent(world: Installation, api: Api) -> None:
    """The answer comes to the headers alone: not a byte of the body has left."""
    with _connected(world) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nX-API-Key: {api.key}\r\nContent-Length: 10000000\r\n\r\n"
        connection.sendall(head.encode())
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_ten_megabytes_without_a_length_are_refused_early(world: Installation, api: Api) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(160):
            sent += 65_536
            yield b"x" * 65_536

    with suppress(httpx.TransportError):  # the connection may be closed under the client
        assert api.call("POST", PATH, content=body()).status_code == 413
    assert sent < 10_000_000


def test_client_goes_through_the_life_of_a_webhook(world: Installation, organization: str) -> None:
    key = caller(world, organization, "manage", "read", system="tork").key
    with Client(world.api_url, key) as client:
        webhook = client.webhooks.create(
            url="https://example.com/webhooks/tork",
            events=["policy.violation", "budget.*"],
            secret="whsec_your_signing_secret",
            description="as documented",
        )
        assert webhook.id.startswith("wh_")
        assert webhook.secret == "whsec_your_signing_secret"
        assert webhook.fields["description"] == "as documented"
        assert [each.id for each in client.webhooks.list()] == [webhook.id]
        disabled = client.webhooks.change(webhook.id, active=False, if_version=webhook.version)
        assert (disabled.active, disabled.version) == (False, 2)
        with pytest.raises(RequestRefused, match="changed meanwhile") as refused:
            client.webhooks.change(webhook.id, active=True, if_version=webhook.version)
        assert refused.value.status == 412
        assert client.webhooks.get(webhook.id).secret is None
        rotated = client.webhooks.rotate_secret(webhook.id)
        assert rotated.secret not in (None, webhook.secret)
        assert client.webhooks.test(webhook.id, "policy.violation")
        assert {each["type"] for each in client.event_types()} == {
            known.name for known in load_systems()["tork"].catalogue()
        }
        client.webhooks.delete(webhook.id)
        assert list(client.webhooks.list()) == []
        with pytest.raises(RequestRefused, match=r"events\.0"):
            client.webhooks.create(url="https://example.com/", events=["nope"])


def test_client_lists_every_page(world: Installation, organization: str) -> None:
    key = caller(world, organization, "manage", "read", system="tork").key
    with Client(world.api_url, key) as client:
        made = [client.webhooks.create(url="https://example.com/", events=["*"]).id for _ in range(5)]
        assert [each.id for each in client.webhooks.list(page_size=2)] == made


def test_example_of_managing_webhooks_runs(world: Installation, organization: str) -> None:
    key = caller(world, organization, "manage", "read", system="governlayer").key
    ended = subprocess.run(
        [sys.executable, str(CHECKOUT / "examples" / "manage_webhooks.py"), "https://example.com/hooks"],
        env={**os.environ, "TOCSIN_API": world.api_url, "TOCSIN_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "Version 2 is disabled" in ended.stdout
    assert ended.stdout.count("secret: whsec_") == 2


def test_openapi_document_is_served(world: Installation) -> None:
    document = httpx.get(f"{world.api_url}/openapi.json", trust_env=False).json()
    assert document["openapi"].startswith("3.1")
    assert {PATH, "/api/v1/webhooks"} <= set(document["paths"])


def test_ready_node_says_so(world: Installation) -> None:
    for path in ("/livez", "/readyz"):
        assert httpx.get(world.api_url + path, trust_env=False).status_code == 200


def test_second_process_knows_what_the_first_wrote(world: Installation, api: Api, organization: str) -> None:
    port = free_port()
    world.another("control", TOCSIN_CONTROL_PORT=str(port))
    other = Api(f"http://127.0.0.1:{port}", api.key)
    made = api.subscribe(**GOOD)
    until = time.monotonic() + 5.0
    while other.call("GET", f"{PATH}/{made['id']}").status_code != 200:
        assert time.monotonic() < until


def test_two_processes_racing_for_a_version_come_to_one_winner(
    world: Installation, organization: str
) -> None:
    """Of each pair of changes made of one version exactly one is told that it counts, and everybody reads that one."""
    port = free_port()
    program = world.another("control", TOCSIN_CONTROL_PORT=str(port))
    api = caller(world, organization, "manage", "read", system="governlayer")
    processes = [api, Api(f"http://127.0.0.1:{port}", api.key)]
    made = api.subscribe("https://example.com/", ["*"])
    path, tag = f"{PATH}/{made['id']}", '"1"'
    until(lambda: processes[1].call("GET", path).status_code == 200)
    with ThreadPoolExecutor(2) as pool:
        for turn in range(10):
            answers = list(
                pool.map(
                    lambda number: processes[number].call(
                        "PATCH",
                        path,
                        json={"description": f"{turn}, {number}"},  # noqa: B023
                        headers={"If-Match": tag},  # noqa: B023
                    ),
                    range(2),
                )
            )
            assert sorted(answer.status_code for answer in answers) == [200, 412], [a.text for a in answers]
            (won,) = (answer for answer in answers if answer.status_code == 200)
            tag = won.headers["etag"]
            for process in processes:
                until(lambda: process.call("GET", path).headers["etag"] == tag)  # noqa: B023
                assert process.call("GET", path).json()["description"] == won.json()["description"]
    last = _rows(world)[made["id"]]
    assert (last.version, last.description) == (11, won.json()["description"])
    program.stop()


def test_record_that_came_second_is_mended_by_others_if_its_writer_is_gone(
    world: Installation, api: Api
) -> None:
    """A process that is killed between its write and its mending leaves a log that compaction would get wrong."""
    made = api.subscribe(**GOOD)
    path = f"{PATH}/{made['id']}"
    first = api.call("PATCH", path, json={"description": "first"})
    assert first.status_code == 200
    counts = _rows(world)[made["id"]]
    _write_row(world, replace(counts, description="second"))
    assert _rows(world)[made["id"]].description == "second"
    until(lambda: _rows(world)[made["id"]].description == "first")
    assert _rows(world)[made["id"]].confirmed
    assert api.call("GET", path).json()["description"] == "first"
    assert api.call("PATCH", path, json={"active": False}, headers={"If-Match": '"2"'}).status_code == 200


def test_deleted_webhook_does_not_come_back_with_a_change_that_came_second(
    world: Installation, api: Api
) -> None:
    made = api.subscribe(**GOOD)
    counts = _rows(world)[made["id"]]
    assert api.call("DELETE", f"{PATH}/{made['id']}").status_code == 204
    _write_row(world, replace(counts, version=2))
    assert made["id"] in _rows(world)
    until(lambda: made["id"] not in _rows(world))
    assert api.call("GET", f"{PATH}/{made['id']}").status_code == 404


def test_taken_port_is_one_line(world: Installation, tmp_path: Path) -> None:
    program = world.fleet.add("control")[0]
    ended = subprocess.run(
        [sys.executable, "-m", "control"],
        env=dict(program.environment),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "TOCSIN_CONTROL_PORT: cannot listen on" in ended.stderr.splitlines()[-1]


def test_nothing_that_asks_for_keys_starts_without_any(own: Installation) -> None:
    """It ends by itself, and says how the first key is made."""
    programs = [each for name in ("control", "gateway") for each in own.fleet.add(name)]
    for program in programs:
        program.start(wait=False)
    for program in programs:
        with pytest.raises(StackError, match=rf"{program.name} ended .*no API key.*`tocsin keys create"):
            program.await_ready()
    own.api_key("governlayer", "acme")
    programs[0].start()


def test_keyring_that_lacks_a_key_stops_the_start(world: Installation, api: Api) -> None:
    api.subscribe(**GOOD)
    program = world.fleet.add(
        "control", TOCSIN_KEYRING=secrets.new_key_line("other"), TOCSIN_CONTROL_PORT=str(free_port())
    )[0]
    ended = subprocess.run(
        [sys.executable, "-m", "control"],
        env=dict(program.environment),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert "sealed with test, which it lacks" in ended.stderr.splitlines()[-1]


@contextmanager
def store(settings: Settings, world: Installation, clock_ms: Callable[[], int]) -> Iterator[Store]:
    """A store in this process, writing with `settings`."""
    decode = pipeline.decoder(world.registry, "subscription")
    overtaken = Overtaken(time.monotonic)
    table: Table[Subscription] = Table(
        world.settings,
        world.topics.subscriptions,
        lambda message: subscriptions.from_record(decode(message.value()).record, message.offset() or 0),
        on_change=lambda key, row: overtaken.settle(key),
        supersedes=subscriptions.supersedes,
        on_overtaken=overtaken.note,
    )
    table.start()
    writer = Writer(settings)
    try:
        encode = pipeline.encoder(world.registry, world.topics, "subscription")
        yield Store(writer, encode, table, overtaken, clock_ms)
    finally:
        writer.close()
        table.stop()


def _rows(world: Installation) -> dict[str, Subscription]:
    """Return the last record of every subscription, as compaction would leave it."""
    decode = pipeline.decoder(world.registry, "subscription")
    rows: dict[str, Subscription] = {}
    for message in world.read(world.topics.subscriptions):
        key = (message.key() or b"").decode()
        rows.pop(key, None)
        if message.value() is not None:
            rows[key] = subscriptions.from_record(decode(message.value()).record, message.offset() or 0)
    return rows


def _write_row(world: Installation, row: Subscription) -> None:
    encode = pipeline.encoder(world.registry, world.topics, "subscription")
    world.write(Outgoing(world.topics.subscriptions, row.id.encode(), encode(subscriptions.to_record(row))))


def _subscription(subscription_id: str) -> Subscription:
    return Subscription(subscription_id, "org-store", "driftguard", "https://example.com/", ("*",), 0, 0, 0)


def _connected(world: Installation) -> socket.socket:
    host, port = world.api_url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=5.0)
