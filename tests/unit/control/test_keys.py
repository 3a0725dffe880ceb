"""API keys: made, listed and revoked by whoever administers an organization, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from control.app import create_app
from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.calls import as_key
from tests.unit.control.world import AwayKeys, MemoryKeys, MemoryStore, make_services
from tocsin import keys
from tocsin.wire.systems import Systems

PATH = "/v1/keys"
WHO = "/v1/organization"


@pytest.fixture
def known() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def api(systems: Systems, directory: Directory, known: MemoryKeys) -> TestClient:
    services = make_services(systems, directory, MemoryStore(directory), keys=known)
    return TestClient(create_app(services), headers=as_key(world.ADMIN))


def made(api: TestClient, **asked: Any) -> dict[str, Any]:
    """Make a key and return the answer."""
    answer = api.post(PATH, json={"scopes": ["publish"], **asked})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{PATH}/{document['id']}"
    return document


def test_new_key_works_and_only_its_digest_is_kept(api: TestClient, known: MemoryKeys) -> None:
    document = made(api, scopes=["read"], description="the console", expires_in_s=60)
    text = document.pop("key")
    stored = known.get(document["id"])
    assert stored is not None
    assert text not in repr(stored)
    assert stored.sha256 == keys.digest(text)
    assert api.get(WHO, headers=as_key(text)).json() == {
        "organization": "acme",
        "system": "alpha",
        "key": document,
    }
    assert document["created_at"] < document["expires_at"]
    assert text not in api.get(PATH).text


def test_key_of_another_system_is_of_the_same_organization(api: TestClient) -> None:
    document = made(api, system="beta", scopes=["admin", "admin"])
    assert (document["organization"], document["system"]) == ("acme", "beta")
    assert document["scopes"] == ["admin"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"scopes": [keys.OPERATE]}, "scopes.0"),
        ({"scopes": ["read"], "organization": "rival"}, "organization"),
        ({"scopes": ["read"], "system": "gamma"}, "system"),
        ({"scopes": ["read"], "expires_in_s": 0}, "expires_in_s"),
        ({"scopes": ["read"], "expires_in_s": 10**12}, "expires_in_s"),
    ],
)
def test_what_an_organization_cannot_give_is_refused(
    api: TestClient, known: MemoryKeys, body: dict[str, Any], field: str
) -> None:
    before = len(known.rows())
    answer = api.post(PATH, json=body)
    assert (answer.status_code, [fault["field"] for fault in answer.json()["errors"]]) == (400, [field])
    assert len(known.rows()) == before


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/x")])
@pytest.mark.parametrize("key", [world.MANAGER, world.READER])
def test_keys_are_for_administrators_alone(api: TestClient, method: str, path: str, key: str) -> None:
    answer = api.request(method, path, headers=as_key(key), json={"scopes": ["admin"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


def test_revoked_key_is_refused_and_still_listed(api: TestClient) -> None:
    document = made(api)
    assert api.get(WHO, headers=as_key(document["key"])).status_code == 200
    for _ in range(2):
        assert api.delete(f"{PATH}/{document['id']}").status_code == 204
    assert api.get(WHO, headers=as_key(document["key"])).status_code == 401
    (listed,) = [key for key in api.get(PATH).json()["data"] if key["id"] == document["id"]]
    assert (listed["state"], listed["revoked_at"]) == ("revoked", listed["created_at"])


def test_foreign_key_does_not_exist(api: TestClient, known: MemoryKeys) -> None:
    foreign = keys.key_id(world.STRANGER) or ""
    unknown = keys.key_id(world.UNKNOWN) or ""
    answers = [api.delete(f"{PATH}/{key_id}") for key_id in (foreign, unknown, "nonsense")]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert len({answer.text for answer in answers}) == 1
    kept = known.get(foreign)
    assert kept is not None
    assert kept.revoked_at is None
    assert foreign not in api.get(PATH).text


def test_listing_goes_on_where_a_page_ended(api: TestClient) -> None:
    whole = api.get(PATH).json()
    assert whole["next"] is None
    assert {key["organization"] for key in whole["data"]} == {"acme"}
    paged: list[Any] = []
    after: str | None = None
    while True:
        page = api.get(PATH, params={"limit": 3, **({"after": after} if after else {})}).json()
        assert len(page["data"]) <= 3
        paged += page["data"]
        after = page["next"]
        if after is None:
            break
    assert paged == whole["data"]
    assert api.get(PATH, params={"after": "nonsense"}).status_code == 400


def test_nothing_is_promised_without_the_broker(systems: Systems, directory: Directory) -> None:
    services = make_services(systems, directory, MemoryStore(directory), keys=AwayKeys())
    api = TestClient(create_app(services), headers=as_key(world.ADMIN))
    refused = [
        api.post(PATH, json={"scopes": ["read"]}),
        api.delete(f"{PATH}/{keys.key_id(world.READER)}"),
    ]
    assert [answer.status_code for answer in refused] == [503, 503]
    assert all("retry-after" in answer.headers for answer in refused)
    assert "toc_" not in refused[0].text
