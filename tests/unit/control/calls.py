"""Calls of the API as its callers make them, and the webhooks that they are about."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.log_world import HOOK
from tocsin.subscriptions import Subscription

PATH = "/v1/webhooks"
GOOD: dict[str, Any] = {"url": "https://example.com/hook", "events": ["drift.alert"]}


def as_key(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def ask(api: TestClient, path: str, key: str = world.READER, **query: Any) -> Any:
    return api.get(path, params=query, headers=as_key(key))


def create(api: TestClient, key: str = world.MANAGER, path: str = PATH, **fields: Any) -> dict[str, Any]:
    answer = api.post(path, json={**GOOD, **fields}, headers=as_key(key))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def change(
    api: TestClient, webhook_id: str, if_match: str | None = None, key: str = world.MANAGER, **fields: Any
) -> Any:
    headers = as_key(key) | ({"If-Match": if_match} if if_match is not None else {})
    return api.patch(f"{PATH}/{webhook_id}", json=fields, headers=headers)


def stored(directory: Directory, webhook_id: str) -> Subscription:
    found = directory.get("acme", webhook_id)
    assert found is not None
    return found


def register(directory: Directory, **changes: Any) -> Subscription:
    """Put the webhook in place that the log's rows are of."""
    fields: dict[str, Any] = {"headers": {"X-Team": "canary-team"}, "offset": 7, **changes}
    hook = Subscription(HOOK, "acme", "alpha", "https://example.com/now", ("*",), 0, 0, 0, **fields)
    directory.update(HOOK, hook)
    return hook
