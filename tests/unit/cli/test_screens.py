"""What commands show, made from values: lines for people, documents for machines."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin import client
from tocsin.cli import deadletters, deliveries, endpoints, events, jobs, keys, listen, run
from tocsin.cli.failure import FAILED, USAGE, Failure
from tocsin.cli.receiver import Received
from tocsin.deadletters import DeadLetter
from tocsin.deliveries import Progress
from tocsin.jobs import Job, ReplayProgress, ReplayRequest
from tocsin.keys import ApiKey
from tocsin.selection import Selection

NOW_MS = 1_795_255_200_000
"""2026-11-21T10:00:00Z"""

ATTEMPT: dict[str, Any] = {
    "started_at": NOW_MS,
    "delivery_id": "3f2a91c0-0000-5000-8000-000000000000",
    "event_type": "drift.alert",
    "subscription_id": "wh_a1b2c3d4e5f6",
    "attempt": 2,
    "verdict": "retry",
    "status": 503,
    "posted": True,
    "duration_ms": 12.34,
    "next_tier": "5m",
    "remaining_s": 0,
    "reason": None,
    "error": "503 Service Unavailable",
}


def test_attempt_line_tells_all_that_was_decided() -> None:
    line = deliveries.line(ATTEMPT, NOW_MS).plain
    assert line.split()[1:] == [
        "3f2a91c0", "drift.alert", "wh_a1b2c3d4", "2", "↻", "retry", "503", "12.3", "ms", "→", "5m", "503", "Service", "Unavailable",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "→ 5m  503 Service Unavailable"),
        ({"remaining_s": 3_600}, "→ 5m  + 1h  503 Service Unavailable"),
        ({"next_tier": None, "reason": "exhausted"}, "exhausted  503 Service Unavailable"),
        ({"next_tier": None, "error": None}, ""),
    ],
)
def test_consequence_names_what_follows_and_why(changes: dict[str, Any], told: str) -> None:
    assert deliveries.consequence(ATTEMPT | changes) == told


def test_attempt_without_a_post_shows_no_status_and_no_duration() -> None:
    line = deliveries.line(
        ATTEMPT | {"posted": False, "status": None, "verdict": "parked", "error": None}, NOW_MS
    )
    assert line.plain.split()[-4:] == ["⏸", "parked", "→", "5m"]


def test_what_endpoints_answer_cannot_drive_the_terminal() -> None:
    line = deliveries.line(ATTEMPT | {"error": "\x1b[2J\x1b]0;title\x07", "event_type": "a\nb"}, NOW_MS)
    assert line.plain.isprintable()


def test_columns_of_the_heading_stand_above_those_of_the_lines() -> None:
    line = deliveries.line(ATTEMPT, NOW_MS).plain
    for heading, value in (
        ("delivery", "3f2a91c0"),
        ("event type", "drift.alert"),
        ("subscription", "wh_a1b2c3d4"),
        ("next", "→"),
    ):
        assert deliveries.HEADING.index(heading) == line.index(value)


def test_attempt_for_machines_has_its_time_as_text_first() -> None:
    document = deliveries.document(ATTEMPT)
    assert next(iter(document.items())) == ("time", "2026-11-21T10:00:00.000Z")
    assert document["verdict"] == "retry"


def test_dead_letter_for_machines_has_no_body() -> None:
    progress = Progress(attempt=6, last_status=500, last_error="500")
    letter = DeadLetter(
        1,
        7,
        NOW_MS,
        "d",
        "wh_1",
        "acme",
        "drift.alert",
        "e",
        "exhausted",
        "subscriber",
        progress,
        None,
        b"v",
        [],
    )
    document = deadletters.document(letter)
    assert (document["status"], document["attempts"], document["error"]) == (500, 6, "500")
    assert "value" not in document


def received(**changes: Any) -> Received:
    known: dict[str, Any] = {
        "at_ms": NOW_MS, "number": 1, "seen": 1, "event_type": "drift.alert", "id": "wh_1", "verified": True,
        "reason": None, "status": 200, "path": "/", "headers": (("A", "b"),), "body": b"{}",
    }  # fmt: skip
    return Received(**known | changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "✓ verified  200"),
        ({"verified": None}, "? unsigned  200"),
        ({"verified": False, "reason": "no signature", "status": 401}, "✗ refused   401  no signature"),
        ({"seen": 3}, "✓ verified  200  again, 3 times"),
        ({"seen": 3, "id": ""}, "✓ verified  200"),
    ],
)
def test_request_line_says_whether_it_verified(changes: dict[str, Any], told: str) -> None:
    assert listen.line(received(**changes), NOW_MS).plain.endswith(told)


def test_request_for_machines_has_all_that_was_received() -> None:
    document = listen.document(received(body=b"\xff"))
    assert (document["headers"], document["body"], document["verified"]) == ({"A": "b"}, "base64:/w==", True)


def api_key(**changes: Any) -> ApiKey:
    known: dict[str, Any] = {
        "id": "k", "organization": "acme", "system": "s", "sha256": b"digest", "scopes": ("read",), "created_at": NOW_MS,
    }  # fmt: skip
    return ApiKey(**known | changes)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "active"),
        ({"expires_at": NOW_MS + 1}, "active"),
        ({"expires_at": NOW_MS}, "expired"),
        ({"revoked_at": NOW_MS}, "revoked"),
        ({"revoked_at": NOW_MS, "expires_at": NOW_MS}, "revoked"),
    ],
)
def test_key_is_active_until_it_expires_or_is_revoked(changes: dict[str, Any], state: str) -> None:
    assert keys.document(api_key(**changes), NOW_MS)["state"] == state


def test_key_for_machines_has_no_digest() -> None:
    assert "digest" not in str(keys.document(api_key(), NOW_MS))


def test_job_waits_until_there_is_progress() -> None:
    request = ReplayRequest("j", "ann", NOW_MS, Selection(reason="gone"), why="moved")
    progress = ReplayProgress("j", "done", 3, {}, {}, NOW_MS, replayed=3)
    assert jobs.document(Job(request))["state"] == "requested"
    told = jobs.document(Job(request, progress))
    assert (told["state"], told["progress"]["replayed"], told["selection"]["reason"]) == ("done", 3, "gone")


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("string", "string"),
        (["null", "string"], "string or null"),
        ({"type": "array", "items": "double"}, "list of double"),
        ({"type": "map", "values": ["null", "long"]}, "object of long or null"),
        ({"type": "record", "name": "R", "fields": [{"name": "a"}, {"name": "b"}]}, "object {a, b}"),
        ({"type": "enum", "name": "E", "symbols": ["low", "high"]}, "low | high"),
        ({"type": "string", "logicalType": "uuid"}, "string"),
        ("tocsin.acme.Details", "Details"),
    ],
)
def test_avro_type_is_told_in_words(node: Any, name: str) -> None:
    assert events.type_name(node) == name


def test_field_without_default_is_required() -> None:
    schema = {
        "fields": [
            {"name": "a", "type": "int", "doc": "One."},
            {"name": "b", "type": ["null", "int"], "default": None},
        ]
    }
    assert [(field["name"], field["required"]) for field in events.fields(schema)] == [
        ("a", True),
        ("b", False),
    ]


def test_request_for_an_endpoint_leaves_out_what_was_not_given() -> None:
    assert endpoints.request("https://h/", "a, b,", scope={"contract_id": "c"}) == {
        "url": "https://h/",
        "events": ["a", "b"],
        "contract_id": "c",
    }


def test_filter_is_a_pair_that_must_be_equal_or_an_expression_in_json() -> None:
    assert endpoints.expressions(["type=a", ' {"not": {"exact": {"data.x": "1=2"}}}', "data.x=a=b"]) == [
        {"exact": {"type": "a"}},
        {"not": {"exact": {"data.x": "1=2"}}},
        {"exact": {"data.x": "a=b"}},
    ]


@pytest.mark.parametrize("text", ["{", '{"a"}', '{"a":' * 100_000, "novalue", "=x", ""])
def test_filter_that_is_neither_names_its_option(text: str) -> None:
    with pytest.raises(Failure, match="--filter") as caught:
        endpoints.expressions([text])
    assert caught.value.code == USAGE


def test_screen_shows_filters_in_json() -> None:
    shown = endpoints.screen({"events": ["a", "b"], "filters": [{"exact": {"type": "a"}}], "headers": {}})
    assert shown == [("events", "a, b"), ("filters", '{"exact": {"type": "a"}}')]


@pytest.mark.parametrize("text", ["novalue", "=x", ""])
def test_pair_that_is_none_names_its_option(text: str) -> None:
    with pytest.raises(Failure, match="--scope") as caught:
        endpoints.pairs("--scope", [text])
    assert caught.value.code == USAGE


def test_pair_may_have_an_equals_sign_in_its_value() -> None:
    assert endpoints.pairs("--header", ["A=b=c", "D="]) == {"A": "b=c", "D": ""}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"title":"Bad Request","detail":"url: is missing"}', "url: is missing"),
        (
            b'{"title":"Bad Request","detail":"no","errors":[{"field":"url","reason":"is missing"}]}',
            "no; url: is missing",
        ),
        (b'{"title":"Not Found"}', "Not Found"),
        (b"<html>", "Bad Gateway"),
        (b"[]", "Bad Gateway"),
    ],
)
def test_problem_is_told_in_its_own_words(content: bytes, words: str) -> None:
    assert client.said(content, "Bad Gateway") == words


def test_api_that_is_down_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOCSIN_API", "http://127.0.0.1:9")
    monkeypatch.setenv("TOCSIN_API_KEY", "toc_x")
    assert run(["endpoints", "list"]) == FAILED
    assert capsys.readouterr().err == (
        "tocsin: the control API at http://127.0.0.1:9 does not answer (ConnectError); "
        "`make up` starts it, TOCSIN_API names another\n"
    )


def test_missing_api_key_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOCSIN_API_KEY", raising=False)
    assert run(["endpoints", "list"]) == FAILED
    assert "`tocsin keys create" in capsys.readouterr().err
