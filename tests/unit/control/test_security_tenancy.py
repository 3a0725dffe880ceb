"""Two organizations, every route, every kind of id, every scope: nothing of the one is known to the other.

Routes come from the application itself, so that a new one is asked too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from control.app import create_app
from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.archive_world import furnish
from tests.unit.control.calls import as_key
from tests.unit.control.log_world import HOOK, Logbook, delivery_id
from tests.unit.control.world import (
    NOW_MS,
    MemoryArchive,
    MemoryJobs,
    MemoryKeys,
    MemoryOutbox,
    MemoryStore,
    make_services,
)
from tocsin import keys
from tocsin.keys import ApiKey
from tocsin.wire.systems import Systems

SCOPES: Final = (*keys.SCOPES, keys.OPERATE)

OURS: Final = {
    "webhook_id": HOOK,
    "delivery_id": delivery_id(1),
    "replay_id": "rpl-1",
    "key_id": keys.key_id(world.MANAGER) or "",
    "record_id": "0-1",
}
"""Kind of id to one that `acme` has; a new kind belongs here."""

NOBODYS: Final = {
    "webhook_id": "wh_" + "f" * 24,
    "delivery_id": delivery_id(999),
    "replay_id": "rpl-999",
    "key_id": keys.key_id(world.UNKNOWN) or "",
    "record_id": "0-999",
}

MALFORMED: Final = (
    *(
        "%2e%2e%2fkeys",
        "%00",
        "%0d%0aX-A:%20b",
        "*",
        "' OR 1=1 --",
        "{}",
        "null",
        "-1",
        "é",
        "\U0001f4a3",
    ),
    *("a" * 4_000, "wh_", "wh_*", "__proto__", "%ff%fe", "1e400"),
)

BODIES: Final[Mapping[str, Any]] = {
    "/test": {"webhook_id": HOOK, "event_type": "pass"},
    "/replays": {"selection": {"webhook_id": HOOK}},
    "/recoveries": {"webhook_id": HOOK, "since": "2026-03-01T00:00:00Z"},
    "/recoveries/preview": {"webhook_id": HOOK, "since": "2026-03-01T00:00:00Z"},
    "/purges": {"selection": {"webhook_id": HOOK}, "why": "w", "confirm": 1},
    "/preview": {"selection": {"webhook_id": HOOK}},
    "/redrive": {"ids": ["0-1"], "why": "w"},
    "/rewrap": {"key_id": "test"},
}
"""The end of a path to a body that names what is `acme`'s; else an empty object."""


class Operation(NamedTuple):
    """One method of one path, and what its document says who may use it."""

    method: str
    path: str
    parameters: tuple[str, ...]
    scopes: frozenset[str] | None

    def at(self, ids: Mapping[str, str]) -> str:
        """Return the path with ids in it."""
        path = self.path
        for name in self.parameters:
            path = path.replace(f"{{{name}}}", quote(ids[name], safe="%'*{}"))
        return path

    def body(self) -> Any:
        """Return a body, where one is sent along."""
        if self.method in {"GET", "DELETE"}:
            return None
        return next((body for end, body in BODIES.items() if self.path.endswith(end)), {})


def operations(api: TestClient) -> list[Operation]:
    """Return all that the application serves, as its document has it."""
    return list(_operations(api.get("/openapi.json").json()))


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            named = tuple(each["name"] for each in told.get("parameters", ()) if each["in"] == "path")
            security = told.get("security")
            scopes = None if security is None else frozenset(next(iter(security[0].values())))
            yield Operation(method.upper(), path, named, scopes)


@pytest.fixture
def one_scope_each() -> tuple[MemoryKeys, dict[str, str]]:
    """Keys of a third organization, one for each scope alone."""
    made, texts = MemoryKeys(), {}
    for number, scope in enumerate(SCOPES, 100):
        key_id, text = keys.new_key(bytes([number]) * keys.RANDOM_BYTES)
        made.put(ApiKey(key_id, "third", "alpha", keys.digest(text), (scope,), NOW_MS))
        texts[scope] = text
    return made, texts


def ask(api: TestClient, operation: Operation, ids: Mapping[str, str], key: str | None) -> Any:
    headers = as_key(key) if key is not None else {}
    return api.request(operation.method, operation.at(ids), json=operation.body(), headers=headers)


def test_every_kind_of_id_is_tried(logged: TestClient) -> None:
    known = operations(logged)
    assert len(known) > 30
    assert {name for each in known for name in each.parameters} == OURS.keys() == NOBODYS.keys()


def test_every_route_but_probes_needs_a_key_and_its_scope_alone_or_the_organizations_admin(
    systems: Systems, directory: Directory, book: Logbook, one_scope_each: tuple[MemoryKeys, dict[str, str]]
) -> None:
    made, texts = one_scope_each
    services = make_services(systems, directory, MemoryStore(directory), log=book.store.reading, keys=made)
    api = TestClient(create_app(services), raise_server_exceptions=False)
    for each in operations(api):
        if each.scopes is None:
            assert each.path in {"/livez", "/readyz"}
            continue
        for key in (None, "", "nonsense", world.UNKNOWN, world.EXPIRED, world.REVOKED):
            answer = ask(api, each, NOBODYS, key)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), each
        for scope, text in texts.items():
            refused = ask(api, each, NOBODYS, text).status_code == 403
            allowed = (
                not each.scopes
                or scope in each.scopes
                or (scope == "admin" and keys.OPERATE not in each.scopes)
            )
            assert refused is not allowed, (each, scope)


def test_what_is_another_organizations_is_answered_as_what_does_not_exist(
    logged: TestClient,
    book: Logbook,
    directory: Directory,
    jobs: MemoryJobs,
    outbox: MemoryOutbox,
    archive: MemoryArchive,
) -> None:
    """To the same letter, and with nothing changed: whoever guesses an id learns nothing from the answer."""
    furnish(book, directory, jobs, archive)
    before = directory.all(), [job.wanted for job in jobs.all()]
    for each in operations(logged):
        foreign, unknown = (ask(logged, each, ids, world.RIVAL) for ids in (OURS, NOBODYS))
        assert _told(foreign, OURS) == _told(unknown, NOBODYS), each
        if each.parameters:
            nobodys_business = keys.OPERATE in (each.scopes or ())
            assert foreign.status_code in ({403} if nobodys_business else {400, 404}), each
        assert "canary" not in foreign.text, each
        assert "acme" not in foreign.text, each
    assert outbox.sent == []
    assert outbox.resent == []
    assert (
        directory.all(),
        [job.wanted for job in jobs.all() if job.request.selection.organization == "acme"],
    ) == before


def _told(answer: Any, ids: Mapping[str, str]) -> tuple[int, str]:
    text = answer.text
    for value in ids.values():
        text = text.replace(value, "id")
    if answer.status_code < 300 and "secret" not in text:
        text = json.dumps(sorted(answer.json())) if text else ""
    return answer.status_code, text


def test_every_route_but_probes_refuses_parameters_that_it_does_not_have(logged: TestClient) -> None:
    for each in operations(logged):
        if each.scopes is None:
            continue
        key = world.OPERATOR if keys.OPERATE in each.scopes else world.ADMIN
        answer = logged.request(
            each.method,
            f"{each.at(NOBODYS)}?nonsense=1",
            json=each.body(),
            headers=as_key(key),
        )
        assert answer.status_code == 400, each
        assert "nonsense" in {fault["field"] for fault in answer.json()["errors"]}, each


def test_malformed_id_is_a_refusal_that_says_no_more(
    logged: TestClient, book: Logbook, directory: Directory, jobs: MemoryJobs, archive: MemoryArchive
) -> None:
    furnish(book, directory, jobs, archive)
    for each in operations(logged):
        for text in MALFORMED if each.parameters else ():
            key = world.OPERATOR if keys.OPERATE in (each.scopes or ()) else world.ADMIN
            answer = ask(logged, each, dict.fromkeys(OURS, text), key)
            assert answer.status_code in {400, 404, 405}, (each, text, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
