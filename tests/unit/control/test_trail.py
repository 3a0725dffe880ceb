"""Every change of a webhook or a key is told to the audit before its caller hears of it, and no secret with it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from control.app import create_app
from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.calls import PATH, as_key, create
from tests.unit.control.world import AwayTrail, MemoryStore, MemoryTrail, make_services
from tocsin import audit, keys
from tocsin.wire.systems import Systems

MANAGER = f"key:{keys.key_id(world.MANAGER)}"
ADMIN = f"key:{keys.key_id(world.ADMIN)}"


@pytest.fixture
def trail() -> MemoryTrail:
    return MemoryTrail()


@pytest.fixture
def told(systems: Systems, directory: Directory, trail: MemoryTrail) -> TestClient:
    """An API whose audit is kept in memory."""
    services = make_services(systems, directory, MemoryStore(directory), trail=trail)
    return TestClient(create_app(services))


def test_webhooks_life_is_told_from_creation_to_deletion(told: TestClient, trail: MemoryTrail) -> None:
    as_manager: dict[str, Any] = {"headers": as_key(world.MANAGER)}
    made = create(told, headers={"X-Token": "canary-header"})
    place = f"{PATH}/{made['id']}"
    told.patch(place, json={"description": "for risk", "active": False}, **as_manager)
    rotated = told.post(f"{place}/secret", json={}, **as_manager).json()
    told.delete(place, **as_manager)
    assert [entry.action for entry in trail.entries] == [
        "subscription.created",
        "subscription.changed",
        "subscription.secret_rotated",
        "subscription.deleted",
    ]
    assert {(entry.actor, entry.object, entry.organization, entry.at) for entry in trail.entries} == {
        (MANAGER, made["id"], "acme", world.NOW_MS)
    }
    first, changed, secret, last = trail.entries
    assert first.before == last.after == {}
    assert first.after["headers"] == ["X-Token"]
    assert (changed.before["description"], changed.after["description"]) == ("", "for risk")
    assert changed.after.keys() == {"description", "active", "inactive_reason", "version"}
    assert secret.after.keys() == {"secrets", "version"}
    written = orjson.dumps([audit.to_record(entry) for entry in trail.entries]).decode()
    for hidden in ("canary-header", made["secret"], rotated["secret"]):
        assert hidden not in written


def test_keys_life_is_told_without_the_key(told: TestClient, trail: MemoryTrail) -> None:
    as_admin: dict[str, Any] = {"headers": as_key(world.ADMIN)}
    made = told.post("/v1/keys", json={"scopes": ["read"]}, **as_admin).json()
    for _ in range(2):  # the second one finds it revoked: nothing changes
        assert told.delete(f"/v1/keys/{made['id']}", **as_admin).status_code == 204
    assert [(entry.action, entry.object, entry.actor) for entry in trail.entries] == [
        ("key.created", made["id"], ADMIN),
        ("key.revoked", made["id"], ADMIN),
    ]
    assert trail.entries[1].after == {"revoked_at": world.NOW_MS}
    assert made["key"] not in str([audit.to_record(entry) for entry in trail.entries])


def test_change_that_changes_nothing_is_not_told(told: TestClient, trail: MemoryTrail) -> None:
    made = create(told)
    answer = told.patch(f"{PATH}/{made['id']}", json={}, headers=as_key(world.MANAGER))
    assert (answer.status_code, len(trail.entries)) == (200, 1)


def test_nothing_is_answered_as_done_that_the_audit_could_not_be_told(
    systems: Systems, directory: Directory
) -> None:
    services = make_services(systems, directory, MemoryStore(directory), trail=AwayTrail())
    api = TestClient(create_app(services))
    answer = api.post(
        PATH, json={"url": "https://h.example/", "events": ["*"]}, headers=as_key(world.MANAGER)
    )
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "no acknowledgement within 5 s; the webhook may or may not be stored, the list of webhooks will tell",
    )
    answer = api.post("/v1/keys", json={"scopes": ["read"]}, headers=as_key(world.ADMIN))
    assert answer.status_code == 503
