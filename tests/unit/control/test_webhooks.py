"""What the API answers, where no Kafka is needed to know it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from control.app import create_app
from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.calls import GOOD, PATH, as_key, create
from tests.unit.control.world import AwayStore, MemoryStore, make_services
from tocsin.http.bodies import BODY_MAX_BYTES
from tocsin.wire.systems import Systems


def test_creation_answers_everything_once(api: TestClient) -> None:
    made = create(api, contract_id="c-7", headers={"X-Team": "risk"})
    assert list(made)[:7] == ["id", "url", "events", "contract_id", "active", "secret", "created_at"]
    assert made["id"].startswith("wh_")
    assert (made["contract_id"], made["active"], made["created_at"]) == ("c-7", True, "2026-03-01T19:22:00Z")
    assert made["secret"].startswith("whsec_")
    assert made["headers"] == {"X-Team": "risk"}
    read = api.get(f"{PATH}/{made['id']}", headers=as_key(world.READER)).json()
    assert "secret" not in read
    assert read["headers"] == {"X-Team": "…"}
    assert made["secret"] not in str(read)
    assert {name: value for name, value in made.items() if name not in ("secret", "headers")} == {
        name: value for name, value in read.items() if name != "headers"
    }


def test_creation_at_a_systems_own_path_answers_its_documented_fields_in_their_order(api: TestClient) -> None:
    made = create(api, path="/api/v1/webhooks")
    assert list(made) == ["id", "url", "events", "contract_id", "active", "secret", "created_at"]
    assert made["contract_id"] is None
    listed = api.get("/api/v1/webhooks", headers=as_key(world.MANAGER)).json()
    assert [list(each) for each in listed["data"]] == [
        ["id", "url", "events", "contract_id", "active", "created_at"]
    ]


def test_scope_field_is_unknown_where_the_system_has_none(api: TestClient) -> None:
    answer = api.post(PATH, json={**GOOD, "contract_id": "c-1"}, headers=as_key(world.BETA))
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "contract_id", "reason": "is not a field"}]


def test_body_nested_too_deeply_is_refused_before_it_is_parsed(api: TestClient) -> None:
    for levels, field in ((64, "nested"), (65, "body")):
        body = {**GOOD, "nested": json.loads("[" * (levels - 1) + "]" * (levels - 1))}
        answer = api.post(PATH, json=body, headers=as_key(world.MANAGER))
        assert [fault["field"] for fault in answer.json()["errors"]] == [field]


def test_event_asked_for_twice_counts_once(api: TestClient) -> None:
    assert create(api, events=["pass", "drift.*", "pass"])["events"] == ["pass", "drift.*"]


def test_own_secret_is_taken_as_it_is(api: TestClient) -> None:
    secret = "whsec_" + "s" * 32
    assert create(api, secret=secret)["secret"] == secret


def test_inactive_webhook_is_kept_inactive(api: TestClient) -> None:
    made = create(api, active=False)
    assert (made["active"], made["disabled_reason"]) == (False, "disabled by its owner")


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"url": None}, "url", "is not a string"),
        ({"url": "http://example.com/"}, "url", "http is not allowed here, use https"),
        ({"url": "https://10.0.0.8/"}, "url", "destination_not_allowed"),
        ({"url": "https://localhost/"}, "url", "destination_not_allowed"),
        ({"url": "https://user@example.com/"}, "url", "user info in the URL"),
        ({"url": "not a url"}, "url", None),
        ({"events": []}, "events", "is empty"),
        ({"events": "drift.alert"}, "events", "is not an array"),
        ({"events": [1]}, "events.0", "is not a string"),
        (
            {"events": ["pass", "drift.alrt"]},
            "events.1",
            "drift.alrt is not an event type; did you mean drift.alert?",
        ),
        ({"events": ["audit.*"]}, "events.0", None),
        ({"events": ["*"] * 101}, "events", None),
        ({"evnts": []}, "evnts", "is not a field; did you mean events?"),
        ({"contract_id": 7}, "contract_id", "is not a string"),
        ({"contract_id": ""}, "contract_id", "is empty"),
        ({"contract_id": "a\nb"}, "contract_id", "has a character that is not printable"),
        ({"description": "a\u0000b"}, "description", "has a character that is not printable"),
        ({"description": "d" * 501}, "description", None),
        ({"active": 1}, "active", "is not true or false"),
        ({"active": None}, "active", "is not true or false"),
        ({"secret": ""}, "secret", None),
        ({"secret": "short"}, "secret", None),
        ({"secret": "with a space " * 4}, "secret", None),
        ({"format": "smoke"}, "format", "is not a format; there are chat, pager, spread, standard, or null"),
        ({"format": "chat", "secret": "s" * 32}, "secret", "Chat has none"),
        ({"format": "pager"}, "secret", "Pager needs the receiving service's own secret"),
        ({"headers": {"Host": "a"}}, "headers.Host", "may not be set"),
        ({"headers": {"x-signature": "a"}}, "headers.x-signature", "is sent by the webhook itself"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers.X-A", None),
        ({"headers": []}, "headers", "is not an object"),
    ],
)
def test_bad_field_is_400_with_its_name_and_reason(
    api: TestClient, directory: Directory, fields: dict[str, Any], field: str, reason: str | None
) -> None:
    answer = api.post(PATH, json={**GOOD, **fields}, headers=as_key(world.MANAGER))
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (problem["status"], problem["code"]) == (400, "invalid_body")
    assert [fault["field"] for fault in problem["errors"]] == [field]
    assert problem["detail"] == f"{field}: {problem['errors'][0]['reason']}"
    assert reason in (None, problem["errors"][0]["reason"])
    assert directory.page("acme", None, 1) == ([], False)


def test_every_bad_field_is_named(api: TestClient) -> None:
    body = {"url": "ftp://example.com", "events": ["nope"], "headers": {"Te": "x"}}
    answer = api.post(PATH, json=body, headers=as_key(world.MANAGER))
    assert [fault["field"] for fault in answer.json()["errors"]] == ["url", "events.0", "headers.Te"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'{"url": "\xff"}', "body"),
        (b'{"url": NaN}', "url"),
        (b"[" * 65 + b"]" * 65, "body"),
        (b'{"events": ["pass"]}', "url"),
    ],
)
def test_body_that_is_no_request_is_400(api: TestClient, body: bytes, field: str) -> None:
    answer = api.post(PATH, content=body, headers=as_key(world.MANAGER))
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["field"] == field


def test_secret_never_stands_in_a_refusal(api: TestClient) -> None:
    for secret in ("canary-too-short", "canary " * 8, ["canary"], {"canary": "canary"}):
        answer = api.post(PATH, json={**GOOD, "secret": secret}, headers=as_key(world.MANAGER))
        assert answer.status_code == 400
        assert "canary" not in answer.text


def test_format_follows_a_host_that_understands_no_other(api: TestClient) -> None:
    made = create(api, url="https://chat.example.com/T0/B0/path-is-the-secret")
    assert (made["format"], made["secret"]) == ("chat", None)
    assert made["url"] == "https://chat.example.com/T0/B0/path-is-the-secret"
    assert create(api, url="https://chat.example.com/a", format="alpha")["format"] is None


def test_url_that_is_a_secret_is_shown_once(api: TestClient) -> None:
    create(api, url="https://chat.example.com/T0/B0/path-is-the-secret")
    create(api, url="https://hooks.slack.com/services/path-is-the-secret", format="standard")
    listed = api.get(PATH, headers=as_key(world.READER))
    assert {each["url"] for each in listed.json()["data"]} == {
        "https://chat.example.com/…",
        "https://hooks.slack.com/…",
    }


def test_list_pages_through_everything_once_newest_last(api: TestClient) -> None:
    made = [create(api)["id"] for _ in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while len(seen) <= len(made):
        page = api.get(PATH, params=query, headers=as_key(world.READER)).json()
        seen += [each["id"] for each in page["data"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert sorted(made) == seen  # made in one millisecond of the test's clock: the id decides


@pytest.mark.parametrize("query", ["limit=0", "limit=251", "limit=x", "after=nonsense", "after=%00"])
def test_bad_paging_is_400(api: TestClient, query: str) -> None:
    answer = api.get(f"{PATH}?{query}", headers=as_key(world.READER))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


def test_cursor_of_another_organization_is_400(api: TestClient) -> None:
    create(api)
    create(api)
    cursor = api.get(PATH, params={"limit": 1}, headers=as_key(world.READER)).json()["next"]
    answer = api.get(PATH, params={"after": cursor}, headers=as_key(world.STRANGER))
    assert answer.status_code == 400


def test_foreign_webhook_does_not_exist(api: TestClient) -> None:
    made = create(api)
    unknown = api.get(f"{PATH}/wh_{'0' * 24}", headers=as_key(world.STRANGER))
    for method in ("GET", "DELETE"):
        answer = api.request(method, f"{PATH}/{made['id']}", headers=as_key(world.STRANGER))
        assert (answer.status_code, answer.text) == (404, unknown.text)
    assert api.get(PATH, headers=as_key(world.STRANGER)).json() == {"data": [], "next": None}
    assert api.get(f"{PATH}/{made['id']}", headers=as_key(world.MANAGER)).status_code == 200


def test_deleted_webhook_is_gone(api: TestClient) -> None:
    made = create(api)
    deleted = api.delete(f"{PATH}/{made['id']}", headers=as_key(world.MANAGER))
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method in ("GET", "DELETE"):
        assert api.request(method, f"{PATH}/{made['id']}", headers=as_key(world.MANAGER)).status_code == 404


def test_unacknowledged_write_is_503_and_says_what_is_known(systems: Systems) -> None:
    directory = Directory()
    MemoryStore(directory).put(stored := _stored(systems))
    api = TestClient(create_app(make_services(systems, directory, AwayStore(directory))))
    for answer in (
        api.post(PATH, json=GOOD, headers=as_key(world.MANAGER)),
        api.delete(f"{PATH}/{stored.id}", headers=as_key(world.MANAGER)),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "may or may not be" in answer.json()["detail"]


def _stored(systems: Systems) -> Any:
    directory = Directory()
    api = TestClient(create_app(make_services(systems, directory, MemoryStore(directory))))
    made = directory.get("acme", create(api)["id"])
    assert made is not None
    return made


def test_stored_secret_opens_in_its_place_alone(systems: Systems) -> None:
    directory = Directory()
    services = make_services(systems, directory, MemoryStore(directory))
    made = create(TestClient(create_app(services)))
    stored = directory.get("acme", made["id"])
    assert stored is not None
    place = {"topic": services.topic, "organization": "acme", "subscription": made["id"]}
    assert services.keyring.open(stored.secrets[0], **place) == made["secret"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/webhooks/", 404, "not_found"),
        ("PUT", "/v1/webhooks", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/webhooks", 405, "method_not_allowed"),
    ],
)
def test_framework_error_is_a_problem_too(
    api: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = api.request(method, path, headers=as_key(world.MANAGER))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["code"] == code


def test_failure_is_500_without_its_cause(systems: Systems) -> None:
    class Broken(MemoryStore):
        def put(self, subscription: object) -> Any:
            raise RuntimeError("canary")

    directory = Directory()
    api = TestClient(
        create_app(make_services(systems, directory, Broken(directory))), raise_server_exceptions=False
    )
    answer = api.post(PATH, json=GOOD, headers=as_key(world.MANAGER))
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "canary" not in answer.text


@pytest.mark.parametrize("path", [PATH, "/nothing", "/livez", "/openapi.json"])
def test_every_answer_is_guarded(api: TestClient, path: str) -> None:
    headers = api.get(path, headers=as_key(world.MANAGER) | {"Origin": "https://evil.example"}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_announced_large_body_is_413_before_the_key_is_looked_at(api: TestClient) -> None:
    answer = api.post(PATH, content=b"x" * (BODY_MAX_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


def test_large_body_without_a_length_is_413(api: TestClient) -> None:
    answer = api.post(PATH, content=(b"x" * 65_536 for _ in range(5)), headers=as_key(world.MANAGER))
    assert answer.status_code == 413


def test_body_of_another_media_type_is_415(api: TestClient) -> None:
    answer = api.post(PATH, data={"url": "https://example.com"}, headers=as_key(world.MANAGER))
    assert (answer.status_code, answer.json()["code"]) == (415, "not_json")


def test_node_with_old_knowledge_is_not_ready(systems: Systems) -> None:
    directory = Directory()
    old = make_services(systems, directory, MemoryStore(directory), age_s=5.1)
    assert TestClient(create_app(old)).get("/readyz").status_code == 503
    assert TestClient(create_app(old)).get("/livez").json() == {"status": "alive"}
    fresh = make_services(systems, directory, MemoryStore(directory))
    assert TestClient(create_app(fresh)).get("/readyz").json() == {"status": "ready"}


def test_openapi_documents_every_answer(api: TestClient) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    create_ = document["paths"]["/v1/webhooks"]["post"]
    assert set(create_["responses"]) >= {
        "201",
        "400",
        "401",
        "403",
        "408",
        "413",
        "415",
        "429",
        "503",
        "default",
    }
    assert "422" not in create_["responses"]
    schemas = create_["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert {"contract_id" in schema["properties"] for schema in schemas} == {True, False}
    assert "/api/v1/webhooks" in document["paths"]
