"""The gateway over HTTP: what is answered, and that 202 stands for the broker's acknowledgement alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from producers.gateway import modes
from producers.gateway.intake import SILENT_MAX_S
from producers.gateway.openapi import document
from tests.unit.gateway.world import AWAY, GOOD, READER, gateway
from tocsin.http.admission import KEYS_AGE_MAX_S

PATH = "/v1/events"
CLOUD = {**GOOD, "specversion": "1.0", "id": "e-1", "source": "/monitor"}
BAD = {"type": "drift.alert", "data": {**GOOD["data"], "drift_scor": 1}}
KIB = 1024


@pytest.fixture(scope="module")
def api() -> Iterator[TestClient]:
    with gateway() as made:
        yield made


def send(api: TestClient, body: Any, media_type: str = modes.PLAIN, **headers: str) -> Any:
    """Post a body and return the answer, which must be a documented one."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = api.post(PATH, content=content, headers={"Content-Type": media_type, **headers})
    documented = document()["paths"][PATH]["post"]["responses"]
    assert str(answer.status_code) in documented
    assert answer.headers["content-type"] in documented[str(answer.status_code)]["content"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    return answer


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (GOOD, modes.PLAIN),
        (CLOUD, modes.PLAIN),
        (CLOUD, modes.STRUCTURED),
        (GOOD, "Application/JSON; charset=utf-8"),
    ],
)
def test_one_event_is_accepted_in_every_mode(api: TestClient, body: Any, media_type: str) -> None:
    answer = send(api, body, media_type)
    assert (answer.status_code, answer.json()["status"]) == (202, 202)
    assert answer.json()["id"] == body.get("id", answer.json()["id"])
    assert "ratelimit" in answer.headers


def test_binary_mode_has_its_attributes_in_headers(api: TestClient) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "e%201", "ce-source": "/m", "ce-type": "drift.alert"}
    answer = send(api, GOOD["data"], **headers)
    assert (answer.status_code, answer.json()) == (202, {"id": "e 1", "status": 202})
    without_source = {name: value for name, value in headers.items() if name != "ce-source"}
    answer = send(api, GOOD["data"], **without_source)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "source")


@pytest.mark.parametrize(("events", "media_type"), [([GOOD, GOOD], modes.PLAIN), ([CLOUD], modes.BATCHED)])
def test_batch_is_accepted_whole(api: TestClient, events: list[Any], media_type: str) -> None:
    answer = send(api, events, media_type)
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["failed"]) == (len(events), 0)
    assert [result["status"] for result in answer.json()["results"]] == [202] * len(events)


def test_largest_batch_is_accepted(api: TestClient) -> None:
    answer = send(api, [GOOD] * modes.EVENTS_MAX)
    assert answer.status_code == 202
    assert len({result["id"] for result in answer.json()["results"]}) == modes.EVENTS_MAX


def test_batch_with_a_bad_event_tells_of_each(api: TestClient) -> None:
    answer = send(api, [GOOD, BAD, {"type": "drift.alerts", "data": {}, "id": "e-3"}, 7])
    assert answer.status_code == 207
    assert (answer.json()["accepted"], answer.json()["failed"]) == (1, 3)
    first, *others = answer.json()["results"]
    assert first["status"] == 202
    assert [(other["id"], other["status"], other["field"]) for other in others] == [
        (None, 400, "data.drift_scor"),
        ("e-3", 400, "type"),
        (None, 400, "event"),
    ]
    assert "did you mean 'drift.alert'" in others[1]["reason"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (BAD, "data.drift_scor"),
        ([BAD, BAD], "0.data.drift_scor"),
        ([], "body"),
        ([GOOD] * (modes.EVENTS_MAX + 1), "body"),
        (b"", "body"),
        (b"{", "body"),
        (b"NaN", "body"),
        (b"[" * 70 + b"]" * 70, "body"),
        (b'"\xff"', "body"),
        (7, "event"),
        ({"type": "drift.alert"}, "data"),
        ({**GOOD, "x" * 5_000: 1}, "x" * 500),
    ],
)
def test_what_is_no_event_is_400_and_named(api: TestClient, body: Any, field: str) -> None:
    answer = send(api, body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (CLOUD, modes.BATCHED, 400),
        ([CLOUD], modes.STRUCTURED, 400),
        (GOOD, modes.STRUCTURED, 400),
        (GOOD, "text/plain", 415),
        (b" " * (256 * KIB) + b"{}", modes.PLAIN, 413),
        (b"[" + b" " * (1024 * KIB), modes.PLAIN, 413),
    ],
)
def test_body_is_what_it_says_it_is(api: TestClient, body: Any, media_type: str, status: int) -> None:
    assert send(api, body, media_type).status_code == status


def test_event_that_is_too_large_to_travel_is_refused_inside_of_a_batch(api: TestClient) -> None:
    large = {**GOOD, "data": {**GOOD["data"], "system_name": "x" * 262_145}}
    answer = send(api, [GOOD, large])
    assert (answer.status_code, answer.json()["results"][1]["field"]) == (207, "data")


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"X-API-Key": READER}, 403), ({"X-API-Key": "nonsense"}, 401), ({"X-API-Key": ""}, 401)],
)
def test_only_publishers_publish(api: TestClient, headers: dict[str, str], status: int) -> None:
    assert send(api, b"{", **headers).status_code == status


def test_other_requests_have_problem_documents_too(api: TestClient) -> None:
    assert api.get(PATH).status_code == 405
    missing = api.get("/v1/nothing")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


def test_same_idempotency_key_makes_the_same_ids(api: TestClient) -> None:
    def ids(seed: str | None) -> list[str]:
        answer = send(api, [GOOD, GOOD], **({} if seed is None else {"Idempotency-Key": seed}))
        return [result["id"] for result in answer.json()["results"]]

    once, again, other, random = ids("monday"), ids("monday"), ids("tuesday"), ids(None)
    assert once == again
    assert len({*once, *other, *random}) == 6
    assert send(api, GOOD, **{"Idempotency-Key": "x" * 201}).status_code == 400


def test_events_are_counted_and_not_requests() -> None:
    with gateway(events_per_minute=3) as api:
        assert send(api, [GOOD, GOOD]).headers["ratelimit"] == '"default";r=1;t=60'
        refused = send(api, [GOOD, GOOD])
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")


def test_broker_that_does_not_acknowledge_is_503_with_the_ids() -> None:
    with gateway(AWAY, ack_max_s=0.1) as api:
        answer = send(api, [{**GOOD, "id": "e-1"}, GOOD])
        assert (answer.status_code, answer.json()["code"]) == (503, "not_acknowledged")
        assert answer.headers["retry-after"] == "5"
        assert answer.json()["ids"][0] == "e-1"
        assert len(answer.json()["ids"]) == 2


def test_event_that_fits_is_503_though_another_is_at_fault() -> None:
    with gateway(AWAY, ack_max_s=0.1) as api:
        assert send(api, [GOOD, BAD]).status_code == 503


def test_nothing_waits_for_a_broker_that_is_known_to_be_silent() -> None:
    now_s = 0.0
    with gateway(AWAY, ack_max_s=0.1, clock_s=lambda: now_s) as api:
        assert api.get("/readyz").status_code == 200
        assert send(api, GOOD).json()["code"] == "not_acknowledged"
        now_s = SILENT_MAX_S + 0.1
        at_once = send(api, GOOD)
        assert (at_once.status_code, at_once.json()["code"]) == (503, "unavailable")
        assert "retry-after" in at_once.headers
        assert (api.get("/readyz").status_code, api.get("/livez").status_code) == (503, 200)


def test_body_without_room_is_503_before_it_is_read() -> None:
    with gateway(held_max_bytes=100) as api:
        assert send(api, GOOD).status_code == 503
        assert send(api, GOOD).status_code == 503


def test_room_is_given_back() -> None:
    size = len(json.dumps(GOOD).encode())
    with gateway(held_max_bytes=size) as api:
        assert [send(api, GOOD).status_code for _ in range(3)] == [202] * 3


def test_nobody_is_admitted_by_old_knowledge_of_keys() -> None:
    with gateway(keys_age_s=KEYS_AGE_MAX_S + 1) as api:
        assert send(api, GOOD).status_code == 503
        assert api.get("/readyz").status_code == 503


def test_document_describes_the_gateway(api: TestClient) -> None:
    described = api.get("/openapi.json").json()
    assert described == document()
    references = set(_references(described))
    assert references == {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from [node["$ref"]] if "$ref" in node else []
        for item in node.values():
            yield from _references(item)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)
