"""Who may use the delivery log, replays and what is read in Kafka: every route, with every kind of key."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.archive_world import furnish
from tests.unit.control.calls import as_key
from tests.unit.control.log_world import HOOK, Logbook, delivery_id
from tests.unit.control.world import MemoryArchive, MemoryJobs, MemoryOutbox

_SELECTING: dict[str, Any] = {"selection": {}}
RECOVERY: dict[str, Any] = {"webhook_id": HOOK, "since": "2026-03-01T00:00:00Z"}

# Method, path, body, the scope it needs; whether it names something of one organization.
ROUTES: tuple[tuple[str, str, Any, str, bool], ...] = (
    ("GET", "/v1/deliveries", None, "read", False),
    ("GET", f"/v1/deliveries/{delivery_id(1)}", None, "read", True),
    ("POST", f"/v1/deliveries/{delivery_id(1)}/resend", None, "replay", True),
    ("GET", f"/v1/webhooks/{HOOK}/deliveries", None, "read", True),
    ("GET", f"/v1/webhooks/{HOOK}/health", None, "read", True),
    ("GET", f"/api/v1/webhooks/{HOOK}/deliveries", None, "read", True),
    ("GET", f"/api/v1/webhooks/{HOOK}/health", None, "read", True),
    ("GET", "/v1/overview", None, "read", False),
    ("GET", "/v1/replays", None, "replay", False),
    ("POST", "/v1/replays", _SELECTING, "replay", False),
    ("POST", "/v1/replays/preview", _SELECTING, "replay", False),
    ("GET", "/v1/replays/rpl-1", None, "replay", True),
    ("POST", "/v1/replays/rpl-1/pause", None, "replay", True),
    ("POST", "/v1/replays/rpl-1/resume", None, "replay", True),
    ("POST", "/v1/replays/rpl-1/cancel", None, "replay", True),
    ("GET", f"/v1/webhooks/{HOOK}/missing?since=2026-03-01T00:00:00Z", None, "read", True),
    ("POST", "/v1/recoveries/preview", RECOVERY, "replay", False),
    ("POST", "/v1/recoveries", RECOVERY, "replay", False),
    ("POST", "/v1/purges/preview", _SELECTING, "admin", False),
    ("POST", "/v1/purges", _SELECTING | {"why": "w", "confirm": 1}, "admin", False),
    ("GET", "/v1/audit", None, "admin", False),
)
SCOPED = {
    "read": (world.READER, world.REPLAYER),
    "replay": (world.REPLAYER, world.READER),
    "admin": (world.ADMIN, world.MANAGER),
}
"""Scope to a key that has it, and one that has another."""


def call(api: TestClient, method: str, path: str, body: Any, key: str | None) -> Any:
    return api.request(method, path, json=body, headers=as_key(key) if key is not None else {})


def test_every_route_is_there_for_its_scope_and_for_no_other(
    logged: TestClient, book: Logbook, directory: Directory, jobs: MemoryJobs, archive: MemoryArchive
) -> None:
    furnish(book, directory, jobs, archive)
    for method, path, body, scope, _ in ROUTES:
        has, lacks = SCOPED[scope]
        assert call(logged, method, path, body, None).status_code == 401, path
        refused = call(logged, method, path, body, lacks)
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope"), path
        assert call(logged, method, path, body, has).status_code in (200, 202), path


def test_what_belongs_to_another_organization_is_as_if_it_did_not_exist(
    logged: TestClient,
    book: Logbook,
    directory: Directory,
    jobs: MemoryJobs,
    outbox: MemoryOutbox,
    archive: MemoryArchive,
) -> None:
    furnish(book, directory, jobs, archive)
    for method, path, body, _, named in ROUTES:
        answer = call(logged, method, path, body, world.RIVAL)
        assert (answer.status_code == 404) == named, (path, answer.text)
        assert "canary" not in answer.text, path
    assert outbox.resent == []
    assert [job.wanted for job in jobs.all()] == ["run", "run"]


def test_openapi_documents_every_route_of_the_log(logged: TestClient) -> None:
    document = logged.get("/openapi.json").json()
    for method, path, body, _, named in ROUTES:
        template = (
            path.replace(HOOK, "{webhook_id}")
            .replace(delivery_id(1), "{delivery_id}")
            .replace("rpl-1", "{replay_id}")
            .partition("?")[0]
        )
        documented = document["paths"][template][method.lower()]
        assert ("404" in documented["responses"]) == named, path
        assert "422" not in documented["responses"] or path in {"/v1/replays", "/v1/recoveries"}, path
        assert ("requestBody" in documented) == (body is not None), path
    assert "#/$defs" not in logged.get("/openapi.json").text
    parameters = document["paths"]["/v1/deliveries"]["get"]["parameters"]
    assert {each["name"] for each in parameters} >= {"webhook_id", "status", "since", "q", "after", "limit"}
