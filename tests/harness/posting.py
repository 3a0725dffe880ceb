"""Events as they are posted to the gateway, and what of them is stored."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.harness.installation import ADMITTED_S, Installation, header
from tests.harness.waiting import until

PATH = "/v1/events"
ORGANIZATION = "acme"
DATA: dict[str, Any] = {
    "system_name": "bot",
    "drift_score": 0.87,
    "decision": "ESCALATE",
    "ledger_hash": "sha256:a1",
}


def publishers_key(world: Installation) -> str:
    """Make a key, and return once it counts."""
    text = world.api_key("governlayer", ORGANIZATION, ("publish",))
    until(lambda: post(world, text, {}).status_code != 401, ADMITTED_S, "the key does not count")
    return text


def post(world: Installation, key: str, body: Any, **headers: str) -> httpx.Response:
    """Publish."""
    whole = {"X-API-Key": key, "Content-Type": "application/json", **headers}
    return httpx.post(world.gateway_url + PATH, content=json.dumps(body), headers=whole, timeout=15.0)


def event(event_id: str, **attributes: Any) -> dict[str, Any]:
    """Return an event as a caller sends it."""
    return {"id": event_id, "source": "/monitor", "type": "drift.alert", "data": DATA, **attributes}


def stored_ids(world: Installation) -> list[str | None]:
    """Return the ids of every event in the log."""
    return [header(message, "ce_id") for message in world.read(world.topics.events("governlayer"))]
