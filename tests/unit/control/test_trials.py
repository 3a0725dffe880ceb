"""Test events, as far as no Kafka is needed to know them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from control.app import create_app
from control.directory import Directory
from control.trials import chosen, made
from tests.unit.control import world
from tests.unit.control.calls import PATH, as_key, create
from tests.unit.control.world import AwayOutbox, MemoryOutbox, MemoryStore, make_services
from tests.unit.wire.samples import DATA
from tocsin import deliveries
from tocsin.events import Event
from tocsin.intake import Arrived
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import Systems, load_systems


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


@pytest.fixture
def caller(systems: Systems, directory: Directory, outbox: MemoryOutbox) -> TestClient:
    return TestClient(
        create_app(make_services(systems, directory, MemoryStore(directory), outbox=outbox)),
        raise_server_exceptions=False,
    )


def trial(api: TestClient, key: str = world.MANAGER, path: str = PATH, **fields: Any) -> Any:
    return api.post(f"{path}/test", json=fields, headers=as_key(key))


def test_test_event_is_one_delivery_to_that_webhook(caller: TestClient, outbox: MemoryOutbox) -> None:
    hook = create(caller)
    answer = trial(caller, webhook_id=hook["id"], event_type="pass")
    assert answer.status_code == 202
    ((event, delivery),) = outbox.sent
    told = answer.json()
    assert told == {
        "delivery_id": delivery.delivery_id,
        "event_id": event.id,
        "event_type": "pass",
        "webhook_id": hook["id"],
    }
    assert event.id.startswith("test_")
    assert (event.type, event.organization) == ("pass", "acme")
    assert (delivery.subscription_id, delivery.event_type) == (hook["id"], "pass")
    assert delivery.delivery_id == str(deliveries.delivery_id(event.source, event.type, event.id, hook["id"]))
    assert orjson.loads(delivery.body) == {"type": "pass", "data": {"contract_id": "c-1"}}


def test_every_test_is_another_event(caller: TestClient, outbox: MemoryOutbox) -> None:
    hook = create(caller)
    for _ in range(2):
        trial(caller, webhook_id=hook["id"], event_type="pass")
    assert len({event.id for event, _ in outbox.sent}) == 2


def test_inactive_webhook_gets_its_test(caller: TestClient, outbox: MemoryOutbox) -> None:
    hook = create(caller, active=False)
    assert trial(caller, webhook_id=hook["id"], event_type="pass").status_code == 202
    assert len(outbox.sent) == 1


@pytest.mark.parametrize("fields", [{}, {"event_type": None}, {"event_type": "pass"}])
def test_documented_test_event_is_the_default_and_has_its_data(
    caller: TestClient, outbox: MemoryOutbox, fields: dict[str, Any]
) -> None:
    hook = create(caller, key=world.BETA)
    assert trial(caller, key=world.BETA, webhook_id=hook["id"], **fields).status_code == 202
    ((_, delivery),) = outbox.sent
    assert orjson.loads(delivery.body) == {"type": "pass", "data": {"test": True}}


def test_test_is_sent_in_the_webhooks_format(caller: TestClient, outbox: MemoryOutbox) -> None:
    hook = create(caller, format="chat")
    trial(caller, webhook_id=hook["id"], event_type="pass")
    ((_, delivery),) = outbox.sent
    assert (delivery.format, orjson.loads(delivery.body)) == ("chat", {"text": "pass"})


def test_test_is_at_a_systems_own_path_too(caller: TestClient, outbox: MemoryOutbox) -> None:
    hook = create(caller)
    assert trial(caller, path="/api/v1/webhooks", webhook_id=hook["id"], event_type="pass").status_code == 202


def test_bearer_token_is_as_good_as_the_header(caller: TestClient) -> None:
    hook = create(caller)
    answer = caller.post(
        f"{PATH}/test",
        json={"webhook_id": hook["id"], "event_type": "pass"},
        headers={"Authorization": f"Bearer {world.MANAGER}"},
    )
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"event_type": "pass"}, "webhook_id"),
        ({"webhook_id": 1, "event_type": "pass"}, "webhook_id"),
        ({"webhook_id": "MADE"}, "event_type"),
        ({"webhook_id": "MADE", "event_type": "nope"}, "event_type"),
        ({"webhook_id": "MADE", "event_type": "drift.*"}, "event_type"),
        ({"webhook_id": "MADE", "event_type": "pass", "data": {}}, "data"),
    ],
)
def test_bad_test_is_400(
    caller: TestClient, outbox: MemoryOutbox, fields: dict[str, Any], field: str
) -> None:
    hook = create(caller)["id"]
    asked = {name: hook if value == "MADE" else value for name, value in fields.items()}
    answer = trial(caller, **asked)
    assert answer.status_code == 400, answer.text
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert outbox.sent == []


def test_foreign_webhook_does_not_exist_and_a_reader_may_not_test(
    caller: TestClient, outbox: MemoryOutbox
) -> None:
    hook = create(caller)
    asked = {"webhook_id": hook["id"], "event_type": "pass"}
    assert trial(caller, key=world.STRANGER, **asked).status_code == 404
    assert trial(caller, key=world.READER, **asked).status_code == 403
    assert outbox.sent == []


def test_unacknowledged_test_is_503(systems: Systems, directory: Directory) -> None:
    api = TestClient(
        create_app(make_services(systems, directory, MemoryStore(directory), outbox=AwayOutbox()))
    )
    answer = trial(api, webhook_id=create(api)["id"], event_type="pass")
    assert answer.status_code == 503
    assert "may or may not be" in answer.json()["detail"]


def test_documented_test_event_of_a_system_is_as_its_documents_show_it() -> None:
    """Field for field in the documents' order; id and time are the event's own."""
    shown = json.loads((DATA / "documented" / "compliancelayer" / "scan.completed.test.json").read_text())
    systems = load_systems()
    system = systems["compliancelayer"]
    event_type, data = chosen(system, None)
    moment = datetime.fromisoformat(shown["created_at"])
    event = Event(shown["id"], "/tocsin/test", event_type, moment, "acme")
    subscription = Subscription("wh_1", "acme", system.name, "https://h/", ("*",), 0, 0, 0)
    delivery = made(Arrived(event, data, system), subscription, systems)
    assert json.dumps(orjson.loads(delivery.body)) == json.dumps(shown)


@pytest.mark.parametrize("system", sorted(load_systems()))
def test_every_event_type_of_every_system_can_be_tested_in_every_format(system: str) -> None:
    systems = load_systems()
    for name in systems[system].event_types:
        event_type, data = chosen(systems[system], name)
        event = Event("test_1", "/tocsin/test", event_type, datetime(2026, 1, 1, tzinfo=UTC), "acme")
        for format_ in (None, *systems.formats):
            subscription = Subscription("wh_1", "acme", system, "https://h/", ("*",), 0, 0, 0, format=format_)
            assert made(Arrived(event, data, systems[system]), subscription, systems).body
