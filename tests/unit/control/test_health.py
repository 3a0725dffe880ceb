"""What owners see and may do of a webhook that the ledger found failing."""

from __future__ import annotations

from typing import Any, Final

import pytest
from starlette.testclient import TestClient

from control.app import create_app
from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.calls import PATH, as_key, create
from tests.unit.control.world import MemoryStore, make_services
from tocsin.health import Health
from tocsin.wire.systems import Systems

MANAGER: Final = as_key(world.MANAGER)


class Found:
    """What the ledger found, by subscription."""

    def __init__(self) -> None:
        self.health: dict[str, Health] = {}

    def disable(self, subscription_id: str, generation: int = 1) -> None:
        self.health[subscription_id] = Health(
            subscription_id, "acme", generation, True, "consecutive_failures", world.NOW_MS, 10
        )


@pytest.fixture
def found() -> Found:
    return Found()


@pytest.fixture
def api(systems: Systems, directory: Directory, found: Found) -> TestClient:
    services = make_services(systems, directory, MemoryStore(directory), health=found.health.get)
    return TestClient(create_app(services), raise_server_exceptions=False)


def read(api: TestClient, webhook_id: str) -> dict[str, Any]:
    """Return a webhook as it is shown; the list shows the same."""
    shown: dict[str, Any] = api.get(f"{PATH}/{webhook_id}", headers=MANAGER).json()
    assert shown in api.get(PATH, headers=MANAGER).json()["data"]
    return shown


def test_disabled_webhook_says_why_and_is_enabled_by_its_owner(api: TestClient, found: Found) -> None:
    made = create(api)
    found.disable(made["id"])
    shown = read(api, made["id"])
    assert (shown["active"], shown["disabled_reason"]) == (False, "10 attempts in a row failed")
    documented = api.get(f"/api/v1/webhooks/{made['id']}", headers=MANAGER).json()
    assert documented["active"] is False
    answer = api.patch(f"{PATH}/{made['id']}", json={"active": True}, headers=MANAGER)
    assert (answer.status_code, answer.json()["active"]) == (200, True)
    assert read(api, made["id"])["disabled_reason"] is None


def test_other_change_leaves_it_disabled_and_is_not_written_as_its_owners_wish(
    api: TestClient, directory: Directory, found: Found
) -> None:
    made = create(api)
    found.disable(made["id"])
    answer = api.patch(f"{PATH}/{made['id']}", json={"description": "still broken"}, headers=MANAGER)
    assert (answer.json()["active"], answer.json()["version"]) == (False, 2)
    written = directory.get("acme", made["id"])
    assert written is not None
    assert (written.active, written.inactive_reason, written.generation) == (True, None, 1)


def test_another_address_is_another_endpoint_and_enabled(api: TestClient, found: Found) -> None:
    made = create(api)
    found.disable(made["id"])
    answer = api.patch(f"{PATH}/{made['id']}", json={"url": "https://example.org/new"}, headers=MANAGER)
    assert answer.json()["active"] is True


def test_test_event_is_sent_to_a_disabled_webhook(api: TestClient, found: Found) -> None:
    made = create(api)
    found.disable(made["id"])
    body = {"webhook_id": made["id"], "event_type": "pass"}
    assert api.post(f"{PATH}/test", json=body, headers=MANAGER).status_code == 202
