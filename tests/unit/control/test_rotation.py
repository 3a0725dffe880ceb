"""A new signing secret, and how long the old one holds."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from control.app import create_app
from control.changes import SECRETS_MAX, rotated
from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.calls import PATH, as_key, create
from tests.unit.control.world import NOW_MS, MemoryStore, make_services
from tocsin.http.problems import Problem
from tocsin.subscriptions import StoredSecret, Subscription, live_secrets
from tocsin.wire.systems import Systems


def rotate(api: TestClient, webhook_id: str, key: str = world.MANAGER, **fields: Any) -> Any:
    return api.post(f"{PATH}/{webhook_id}/secret", json=fields, headers=as_key(key))


def secret(name: str, expires_at: int | None = None) -> StoredSecret:
    return StoredSecret(name, "k", b"", b"", 0, expires_at)


def subscription(*secrets: StoredSecret) -> Subscription:
    return Subscription("wh_1", "acme", "one", "https://h/", ("*",), 0, 0, 0, secrets=secrets)


def test_new_secret_is_shown_once_and_the_old_one_holds_for_a_day(
    systems: Systems, directory: Directory
) -> None:
    services = make_services(systems, directory, MemoryStore(directory))
    api = TestClient(create_app(services))
    made = create(api)
    answer = rotate(api, made["id"])
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    new = answer.json()
    assert new["secret"].startswith("whsec_")
    assert new["secret"] != made["secret"]
    assert [each["expires_at"] for each in new["secrets"]] == [None, "2026-03-02T19:22:00Z"]
    assert "secret" not in api.get(f"{PATH}/{made['id']}", headers=as_key(world.READER)).json()
    stored = directory.get("acme", made["id"])
    assert stored is not None
    place = {"topic": services.topic, "organization": "acme", "subscription": made["id"]}
    texts = [services.keyring.open(each, **place) for each in stored.secrets]
    assert texts == [new["secret"], made["secret"]]
    assert stored.generation == 1


def test_empty_body_is_the_default(api: TestClient) -> None:
    made = create(api)
    answer = api.post(f"{PATH}/{made['id']}/secret", headers=as_key(world.MANAGER))
    assert answer.status_code == 200


def test_own_secret_is_taken_as_it_is(api: TestClient) -> None:
    own = "whsec_" + "n" * 32
    assert rotate(api, create(api)["id"], secret=own).json()["secret"] == own


def test_leaked_secret_ends_at_once(api: TestClient, directory: Directory) -> None:
    made = create(api)
    rotate(api, made["id"], expires_in_s=0)
    stored = directory.get("acme", made["id"])
    assert stored is not None
    assert len(live_secrets(stored, NOW_MS)) == len(stored.secrets) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"expires_in_s": -1}, "expires_in_s"),
        ({"expires_in_s": 30 * 86_400 + 1}, "expires_in_s"),
        ({"expires_in_s": "1"}, "expires_in_s"),
        ({"secret": "short"}, "secret"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_bad_rotation_is_400(api: TestClient, fields: dict[str, Any], field: str) -> None:
    answer = rotate(api, create(api)["id"], **fields)
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


def test_format_without_secret_has_none_to_rotate_and_another_services_must_be_given(api: TestClient) -> None:
    assert rotate(api, create(api, format="chat")["id"]).status_code == 400
    pager = create(api, format="pager", secret="r" * 32)["id"]
    assert rotate(api, pager).status_code == 400
    assert rotate(api, pager, secret="s" * 32).status_code == 200


def test_foreign_webhook_does_not_exist(api: TestClient) -> None:
    made = create(api)
    assert rotate(api, made["id"], key=world.STRANGER).status_code == 404
    assert rotate(api, made["id"], key=world.READER).status_code == 403


def test_old_secrets_end_no_later_than_they_would_have() -> None:
    before = subscription(secret("b"), secret("a", expires_at=50), secret("gone", expires_at=5))
    after = rotated(before, secret("c"), old_until_ms=100, now_ms=10)
    assert [(each.id, each.expires_at) for each in after.secrets] == [("c", None), ("b", 100), ("a", 50)]


def test_more_secrets_than_a_request_should_be_signed_with_are_409_unless_the_old_ones_end() -> None:
    before = subscription(*(secret(str(number)) for number in range(SECRETS_MAX)))
    with pytest.raises(Problem, match="hold yet"):
        rotated(before, secret("new"), old_until_ms=100, now_ms=10)
    assert len(rotated(before, secret("new"), old_until_ms=10, now_ms=10).secrets) == 1
