"""Who is admitted."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from control.app import create_app
from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.world import MemoryStore, make_services
from tocsin.http.admission import KEYS_AGE_MAX_S
from tocsin.http.problems import Problem
from tocsin.wire.systems import Systems

NEARLY = world.MANAGER[:-1] + ("a" if world.MANAGER[-1] != "a" else "b")


@pytest.mark.parametrize(
    ("key", "scope", "status"),
    [
        (world.MANAGER, "manage", None),
        (world.READER, "read", None),
        (world.ADMIN, "manage", None),
        (world.ADMIN, "read", None),
        (world.READER, "manage", 403),
        (world.ORPHAN, "read", 403),
        (None, "read", 401),
        ("", "read", 401),
        ("toc_", "read", 401),
        (NEARLY, "read", 401),
        (world.UNKNOWN, "read", 401),
        (world.EXPIRED, "read", 401),
        (world.REVOKED, "read", 401),
        (world.MANAGER + " ", "read", 401),
        ("ключ", "read", 401),
    ],
)
def test_key_is_judged(systems: Systems, key: str | None, scope: str, status: int | None) -> None:
    directory = Directory()
    gate = make_services(systems, directory, MemoryStore(directory)).gate
    if status is None:
        assert gate.admit(key, [scope]).organization == "acme"
        return
    with pytest.raises(Problem) as refused:
        gate.admit(key, [scope])
    assert refused.value.status == status
    assert ("WWW-Authenticate" in refused.value.headers) == (status == 401)


def test_nobody_is_admitted_by_old_knowledge(systems: Systems) -> None:
    directory = Directory()
    old = make_services(systems, directory, MemoryStore(directory), keys_age_s=KEYS_AGE_MAX_S + 0.1)
    with pytest.raises(Problem, match="cannot be checked now") as refused:
        old.gate.admit(world.MANAGER, ["read"])
    assert refused.value.status == 503


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-API-Key": world.READER}, 200),
        ({"Authorization": f"Bearer {world.READER}"}, 200),
        ({"Authorization": f"bearer {world.READER}"}, 200),
        ({"Authorization": f"Basic {world.READER}"}, 401),
        ({"Authorization": world.READER}, 401),
        ({}, 401),
    ],
)
def test_key_is_read_from_either_header(systems: Systems, headers: dict[str, str], status: int) -> None:
    directory = Directory()
    api = TestClient(create_app(make_services(systems, directory, MemoryStore(directory))))
    answer = api.get("/v1/webhooks", headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["www-authenticate"] == 'Bearer realm="tocsin"'
        assert answer.json()["code"] == "unauthorized"


def test_key_is_asked_for_before_the_body_is_looked_at(systems: Systems) -> None:
    directory = Directory()
    api = TestClient(create_app(make_services(systems, directory, MemoryStore(directory))))
    assert api.post("/v1/webhooks", content=b"{").status_code == 401
    assert api.post("/v1/webhooks", content=b"{", headers={"X-API-Key": world.READER}).status_code == 403
