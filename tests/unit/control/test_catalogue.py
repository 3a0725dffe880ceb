"""Which events there are, as the API tells it."""

from __future__ import annotations

from starlette.testclient import TestClient

from tests.unit.control import world
from tests.unit.control.calls import as_key


def test_event_types_are_those_of_the_keys_system(api: TestClient) -> None:
    answer = api.get("/v1/event-types", headers=as_key(world.READER))
    assert answer.status_code == 200
    entries = {each["type"]: each for each in answer.json()["data"]}
    assert set(entries) == set(world.EVENT_TYPES)
    assert entries["pass"] == {
        "system": "alpha",
        "type": "pass",
        "version": 1,
        "description": "It happened.",
        "schema": {
            "type": "object",
            "properties": {"contract_id": {"type": "string", "description": "Which."}},
            "required": ["contract_id"],
        },
        "example": {"contract_id": "c-1"},
        "example_source": "tocsin",
        "body": {"type": "pass", "data": {"contract_id": "c-1"}},
    }


def test_event_types_need_a_key(api: TestClient) -> None:
    assert api.get("/v1/event-types").status_code == 401


def test_openapi_document_tells_of_the_requests_that_receivers_get(api: TestClient) -> None:
    webhooks = api.get("/openapi.json").json()["webhooks"]
    assert set(webhooks) == {f"{system}.{name}" for system in ("alpha", "beta") for name in world.EVENT_TYPES}
    post = webhooks["alpha.drift.alert"]["post"]
    assert [each["name"] for each in post["parameters"]] == ["X-Event", "X-Signature"]
    content = post["requestBody"]["content"]["application/json"]
    assert content["example"] == {"type": "drift.alert", "data": {"contract_id": "c-1"}}
    assert content["schema"]["properties"]["type"] == {"type": "string", "const": "drift.alert"}
    assert content["schema"]["properties"]["data"]["required"] == ["contract_id"]
