"""The delivery log as the API shows it, and sending a delivery once more."""

from __future__ import annotations

import base64
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import Connection
from starlette.testclient import TestClient

from control import pacing
from control.app import create_app
from control.deliveries import TIMELINE_MAX, new_run
from control.directory import Directory
from control.log import OPEN_MAX
from control.log_representation import BODY_MAX_BYTES
from tests.unit.control import world
from tests.unit.control.calls import as_key, ask, create, register
from tests.unit.control.log_world import HOOK, Logbook, dead, delivery, delivery_id, tried
from tests.unit.control.world import (
    NOW_MS,
    AwayOutbox,
    AwayTrail,
    MemoryOutbox,
    MemoryStore,
    MemoryTrail,
    make_services,
    no_log,
)
from tocsin.health import Health
from tocsin.wire.systems import Systems

PATH = "/v1/deliveries"


def resend(api: TestClient, number: int = 1, repeat: str | None = None) -> Any:
    headers = as_key(world.REPLAYER) | ({} if repeat is None else {"Idempotency-Key": repeat})
    return api.post(f"{PATH}/{delivery_id(number)}/resend", headers=headers)


def test_listing_shows_newest_first_and_every_page_once(logged: TestClient, book: Logbook) -> None:
    book.write(*(delivery(number) for number in range(5)), delivery(9, organization="rival"))
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = ask(logged, PATH, **query).json()
        seen += [each["event_id"] for each in page["data"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen == list("01234")


def test_item_says_what_became_of_a_delivery(logged: TestClient, book: Logbook) -> None:
    book.write(dead(1, test=True, next_at=NOW_MS))
    assert ask(logged, PATH).json()["data"] == [
        {
            "id": delivery_id(1),
            "webhook_id": HOOK,
            "event_id": "1",
            "event_type": "pass",
            "status": "dead",
            "attempts": 6,
            "last_status": 500,
            "last_error": "HTTP 500",
            "reason": "exhausted",
            "fault": "subscriber",
            "created_at": "2026-03-01T19:21:59.123Z",
            "decided_at": "2026-03-01T19:21:59.128Z",
            "next_at": "2026-03-01T19:22:00.123Z",
            "test": True,
        }
    ]


def test_listing_is_narrowed_by_what_is_asked(logged: TestClient, book: Logbook) -> None:
    book.write(delivery(1), dead(2))
    narrowed: list[tuple[dict[str, str], list[str]]] = [
        ({"status": "dead"}, ["2"]),
        ({"status": "dead", "reason": "gone"}, []),
        ({"fault": "subscriber", "http_status": "500"}, ["2"]),
        ({"q": "http 5"}, ["2"]),
        ({"event_type": "pass"}, ["1", "2"]),
        ({"webhook_id": HOOK, "status": "delivered"}, ["1"]),
        ({"since": "2026-03-01T19:21:59.123Z"}, ["1"]),
        ({"since": "2026-03-01T20:21:59.123+01:00"}, ["1"]),
        ({"until": "2026-03-01T19:21:59.123Z"}, ["2"]),
    ]
    for query, events in narrowed:
        answer = ask(logged, PATH, **query)
        assert answer.status_code == 200, (query, answer.text)
        assert [each["event_id"] for each in answer.json()["data"]] == events, query


BAD_QUERIES = (
    "limit=0",
    "limit=251",
    "status=lost",
    "fault=nobody",
    "http_status=99",
    "http_status=600",
    "since=yesterday",
    "since=1700000000",
    "since=2026-03-01T19:22:00",
    "until=2026-13-01T19:22:00Z",
    "q=",
    "q=a%00b",
    "reason=%0a",
    "webhook_id=wh%20",
    "after=nonsense",
    "organization=rival",
    "nonsense=1",
)


def test_bad_or_unknown_parameter_is_400_and_named(logged: TestClient) -> None:
    for query in BAD_QUERIES:
        answer = logged.get(f"{PATH}?{query}", headers=as_key(world.READER))
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter"), query
        assert [fault["field"] for fault in answer.json()["errors"]] == [query.partition("=")[0]], query


def test_cursor_of_another_organization_or_listing_is_400(logged: TestClient, book: Logbook) -> None:
    book.write(delivery(1), delivery(2))
    create(logged)
    create(logged)
    cursors = [
        ask(logged, PATH, limit=1).json()["next"],
        ask(logged, "/v1/webhooks", limit=1).json()["next"],
    ]
    assert ask(logged, PATH, key=world.STRANGER, after=cursors[0]).status_code == 400
    assert ask(logged, PATH, after=cursors[1]).status_code == 400


@pytest.mark.parametrize("path", ["/v1/webhooks", "/api/v1/webhooks"])
def test_webhooks_own_listing_is_of_that_webhook(
    logged: TestClient, book: Logbook, directory: Directory, path: str
) -> None:
    register(directory)
    book.write(delivery(1), delivery(2, subscription_id="wh_other"), dead(3))
    listed = ask(logged, f"{path}/{HOOK}/deliveries", status="delivered")
    assert [each["event_id"] for each in listed.json()["data"]] == ["1"]
    assert ask(logged, f"{path}/{HOOK}/deliveries", webhook_id=HOOK).status_code == 400
    assert ask(logged, f"{path}/wh_other/deliveries").status_code == 404


def test_delivery_is_shown_with_request_and_every_attempt(
    logged: TestClient, book: Logbook, directory: Directory
) -> None:
    register(directory)
    failed = {"verdict": "retry", "status": 500, "error": "HTTP 500", "fault": "subscriber"}
    book.write(
        delivery(1, attempts=2),
        tried(1, step=1, attempt=2, started_at=NOW_MS),
        tried(1, **failed, response_body=b"\xff\x00", next_tier="1m", remaining_s=60),
    )
    shown = ask(logged, f"{PATH}/{delivery_id(1)}").json()
    assert shown["request"] == {
        "url": "https://example.com/hook",
        "content_type": "application/json",
        "headers": {"X-Event": "pass"},
        "body": '{"type":"pass"}',
        "body_base64": None,
        "body_truncated": False,
    }
    first, second = shown["timeline"]
    assert first == {
        "run": "0",
        "step": 0,
        "attempt": 1,
        "verdict": "retry",
        "reason": None,
        "fault": "subscriber",
        "started_at": "2026-03-01T19:21:59.123Z",
        "duration_ms": 12.5,
        "posted": True,
        "url": "https://example.com/hook",
        "status": 500,
        "error": "HTTP 500",
        "request_headers": {"content-type": "application/json", "X-Event": "pass", "X-Signature": "ab12"},
        "response_headers": {"server": "test"},
        "response_body": None,
        "response_body_base64": base64.b64encode(b"\xff\x00").decode(),
        "next_tier": "1m",
        "next_at": "2026-03-01T19:23:59.135Z",
    }
    assert (second["verdict"], second["response_body"], second["next_at"]) == ("delivered", "ok", None)
    assert (shown["event_source"], shown["event_time"]) == ("/test", "2026-03-01T19:21:59.123Z")
    assert not shown["timeline_truncated"]


def test_secrets_are_hidden_wherever_a_delivery_shows_them(
    logged: TestClient, book: Logbook, directory: Directory
) -> None:
    """The owner's own header values, an endpoint's cookies, and the path of a URL that is a secret."""
    register(directory, format="chat")
    own = {"X-Team": "canary-team", "Authorization": "Bearer canary", "x-event": "pass"}
    book.write(
        delivery(1, format="chat"),
        tried(1, url=None, request_headers=own, response_headers={"Set-Cookie": "canary=1", "Age": "0"}),
    )
    answer = ask(logged, f"{PATH}/{delivery_id(1)}")
    shown = answer.json()
    assert "canary" not in answer.text
    assert shown["timeline"][0]["request_headers"] == {"X-Team": "…", "Authorization": "…", "x-event": "pass"}
    assert shown["timeline"][0]["response_headers"] == {"Set-Cookie": "…", "Age": "0"}
    assert shown["request"]["url"] == "https://example.com/…"


def test_body_is_cut_at_64_kib_between_characters(logged: TestClient, book: Logbook) -> None:
    long = "a" + "ü" * BODY_MAX_BYTES
    book.write(delivery(1, body=long.encode()), delivery(2, body=b"\xff" * 10), delivery(3, body=None))
    shown = [ask(logged, f"{PATH}/{delivery_id(number)}").json()["request"] for number in (1, 2, 3)]
    assert [each["body_truncated"] for each in shown] == [True, False, False]
    assert shown[0]["body"] == long[: BODY_MAX_BYTES // 2]
    assert (shown[1]["body"], shown[1]["body_base64"]) == (None, base64.b64encode(b"\xff" * 10).decode())
    assert (shown[2]["body"], shown[2]["body_base64"]) == (None, None)


def test_timeline_is_bounded_and_keeps_the_newest(logged: TestClient, book: Logbook) -> None:
    parked = {"verdict": "parked", "posted": False, "status": None, "response_body": None}
    book.write(
        delivery(1),
        *(tried(1, step=step, started_at=NOW_MS + step, **parked) for step in range(TIMELINE_MAX + 1)),
    )
    shown = ask(logged, f"{PATH}/{delivery_id(1)}").json()
    assert [each["step"] for each in shown["timeline"]] == list(range(1, TIMELINE_MAX + 1))
    assert shown["timeline_truncated"]


def test_what_the_topics_can_hold_can_be_shown(logged: TestClient, book: Logbook) -> None:
    """A system that is gone, a time beyond the calendar, an unknown tier: records outlive what they speak of."""
    book.write(
        delivery(1, system="gone", event_time=1 << 60, headers=None),
        tried(1, next_tier="7y", started_at=-5),
    )
    shown = ask(logged, f"{PATH}/{delivery_id(1)}")
    assert shown.status_code == 200, shown.text
    assert shown.json()["event_time"] == "9999-12-31T23:59:59.999Z"
    assert shown.json()["timeline"][0]["request_headers"]["X-Signature"] == "…"


def test_unknown_delivery_is_404(logged: TestClient, book: Logbook) -> None:
    book.write(delivery(1))
    for named in ("nonsense", delivery_id(1).upper(), delivery_id(2), "%00", "a" * 5000):
        assert ask(logged, f"{PATH}/{named}").status_code == 404, named
        assert logged.post(f"{PATH}/{named}/resend", headers=as_key(world.REPLAYER)).status_code == 404, named


def test_resend_is_the_same_body_under_the_same_id_as_a_run_of_its_own(
    logged: TestClient, book: Logbook, directory: Directory, outbox: MemoryOutbox
) -> None:
    register(directory)
    book.write(dead(1, format="chat"))
    answers = [resend(logged), resend(logged)]
    assert [answer.status_code for answer in answers] == [202, 202]
    for answer, (event, sent, run, test) in zip(answers, outbox.resent, strict=True):
        assert answer.json() == {"delivery_id": delivery_id(1), "run": run}
        assert (event.id, event.source, event.type, event.organization) == ("1", "/test", "pass", "acme")
        assert (sent.delivery_id, sent.body, sent.headers) == (
            delivery_id(1),
            b'{"type":"pass"}',
            (("X-Event", "pass"),),
        )
        assert (sent.subscription_id, sent.subscription_offset, sent.format) == (HOOK, 7, "chat")
        assert not test
    assert len({run for _, _, run, _ in outbox.resent}) == 2
    assert all(run.startswith("resend_") and len(run) <= 64 for _, _, run, _ in outbox.resent)


def test_resend_with_the_same_idempotency_key_is_the_same_run(
    logged: TestClient, book: Logbook, directory: Directory, outbox: MemoryOutbox
) -> None:
    register(directory)
    book.write(dead(1), dead(2))
    for number in (1, 1, 2):
        assert resend(logged, number, "k1").status_code == 202
    assert resend(logged, repeat="k 1").status_code == 400
    runs = [run for _, _, run, _ in outbox.resent]
    assert runs[0] == runs[1] != runs[2]
    assert new_run("rival", delivery_id(1), "k1") != runs[0]


@pytest.mark.parametrize(
    ("row", "hook", "code"),
    [
        (dead(1, body=None), {}, "body_unknown"),
        (dead(1), {"active": False, "inactive_reason": "disabled by its owner"}, "webhook_disabled"),
        (dead(1), None, "webhook_deleted"),
    ],
)
def test_resend_that_could_not_arrive_is_409(
    logged: TestClient,
    book: Logbook,
    directory: Directory,
    outbox: MemoryOutbox,
    row: dict[str, Any],
    hook: dict[str, Any] | None,
    code: str,
) -> None:
    if hook is not None:
        register(directory, **hook)
    book.write(row)
    answer = resend(logged)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert outbox.resent == []


def test_test_is_resent_to_a_disabled_webhook_too(
    logged: TestClient, book: Logbook, directory: Directory, outbox: MemoryOutbox
) -> None:
    register(directory, active=False)
    book.write(dead(1, test=True))
    assert resend(logged).status_code == 202
    assert [test for _, _, _, test in outbox.resent] == [True]


def test_resend_to_a_webhook_that_its_failures_disabled_is_409(
    systems: Systems, directory: Directory, book: Logbook
) -> None:
    hook = register(directory)
    failing = Health(hook.id, "acme", hook.generation, True, "gone", NOW_MS)
    api = TestClient(
        create_app(
            make_services(
                systems,
                directory,
                MemoryStore(directory),
                log=book.store.reading,
                health=lambda _: failing,
            )
        )
    )
    book.write(dead(1))
    answer = resend(api)
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "its webhook is disabled: it answered 410 Gone",
    )


def test_tests_and_resends_for_one_webhook_are_paced_together(
    logged: TestClient, book: Logbook, directory: Directory
) -> None:
    register(directory)
    book.write(dead(1))
    body = {"webhook_id": HOOK, "event_type": "pass"}
    for _ in range(pacing.PER_MINUTE // 2):
        assert resend(logged).status_code == 202
        answer = logged.post("/v1/webhooks/test", json=body, headers=as_key(world.MANAGER))
        assert answer.status_code == 202
    answer = resend(logged)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_for_webhook")
    assert int(answer.headers["retry-after"]) > 0


def test_resend_is_told_to_the_audit(systems: Systems, directory: Directory, book: Logbook) -> None:
    register(directory)
    book.write(dead(1))
    told = MemoryTrail()
    made = make_services(systems, directory, MemoryStore(directory), log=book.store.reading, trail=told)
    run = resend(TestClient(create_app(made))).json()["run"]
    (entry,) = told.entries
    assert (entry.action, entry.object, entry.organization) == ("delivery.resent", delivery_id(1), "acme")
    assert (entry.actor[:4], dict(entry.after)) == ("key:", {"run": run})


def test_unacknowledged_resend_is_503(systems: Systems, directory: Directory, book: Logbook) -> None:
    """Neither the delivery nor what the audit is told of it may be missing."""
    register(directory)
    book.write(dead(1))
    away: tuple[dict[str, Any], ...] = ({"outbox": AwayOutbox()}, {"trail": AwayTrail()})
    for missing in away:
        made = make_services(systems, directory, MemoryStore(directory), log=book.store.reading, **missing)
        answer = resend(TestClient(create_app(made)))
        assert answer.status_code == 503
        assert "may or may not be sent" in answer.json()["detail"]


def test_absent_log_is_503_and_the_rest_lives_on(
    api: TestClient, directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer names neither file nor host; the process's own log does."""
    register(directory)
    for path in (PATH, f"{PATH}/{delivery_id(1)}", "/v1/overview", f"/v1/webhooks/{HOOK}/health"):
        answer = ask(api, path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["code"] == "log_unavailable"
        assert "the delivery log cannot be read now" in answer.json()["detail"]
        assert "canary" not in answer.text
    assert ask(api, "/v1/webhooks").status_code == 200
    assert "canary.db" in caplog.text


def test_log_that_is_asked_too_much_refuses_at_once(systems: Systems, directory: Directory) -> None:
    """While every place is taken by questions that hang, one more is refused without waiting."""
    made = make_services(systems, directory, MemoryStore(directory), log=no_log)
    for _ in range(OPEN_MAX):
        assert made.log._free.acquire(blocking=False)
    answer = ask(TestClient(create_app(made)), PATH)
    assert (answer.status_code, "too many" in answer.json()["detail"]) == (503, True)
    made.log._free.release()
    assert "too many" not in ask(TestClient(create_app(made)), PATH).json()["detail"]


def test_every_question_gives_its_place_back(systems: Systems, directory: Directory, book: Logbook) -> None:
    def reading() -> AbstractContextManager[Connection]:
        return book.store.reading()

    api = TestClient(
        create_app(make_services(systems, directory, MemoryStore(directory), log=reading)),
        raise_server_exceptions=False,
    )
    for _ in range(OPEN_MAX + 1):
        assert ask(api, f"{PATH}/{delivery_id(1)}").status_code == 404
