from __future__ import annotations

import http.client
from collections.abc import Iterator, Sequence
from queue import SimpleQueue

import httpx
import pytest

from tocsin.cli.receiver import BODY_MAX_BYTES, Answers, Received, Receiver, named
from tocsin.errors import SignatureInvalid


@pytest.mark.parametrize(
    ("answers", "statuses"),
    [
        (Answers(), [200, 200, 200]),
        (Answers(fail_first=2), [503, 503, 200]),
        (Answers(status=500, fail_first=1), [500, 200, 200]),
        (Answers(status=410, fail_first=None), [410, 410, 410]),
    ],
)
def test_answers_fail_the_first_requests_or_all(answers: Answers, statuses: list[int]) -> None:
    assert [answers.status_of(number) for number in (1, 2, 3)] == statuses


@pytest.mark.parametrize(
    ("headers", "body", "found"),
    [
        ([("X-Acme-Event", "drift.alert"), ("X-Acme-Delivery", "42")], b"{}", ("drift.alert", "42")),
        ([("webhook-id", "msg_1")], b'{"type":"drift.alert"}', ("drift.alert", "msg_1")),
        ([("ce-type", "drift.alert"), ("ce-id", "e1")], b"{}", ("drift.alert", "e1")),
        ([], b'{"event":"drift.alert","id":"wh_1"}', ("drift.alert", "wh_1")),
        ([], b'{"event_type":"drift.alert","event_id":7}', ("drift.alert", "7")),
        ([], b'{"event":{"nested":true}}', ("", "")),
        ([], b"[1]", ("", "")),
        ([], b"\xff", ("", "")),
    ],
)
def test_event_type_and_id_are_found_wherever_webhooks_carry_them(
    headers: list[tuple[str, str]], body: bytes, found: tuple[str, str]
) -> None:
    assert named(headers, body) == found


@pytest.fixture
def shown() -> SimpleQueue[Received]:
    return SimpleQueue()


@pytest.fixture
def receiver(shown: SimpleQueue[Received]) -> Iterator[Receiver]:
    made = Receiver("127.0.0.1", 0, Answers(fail_first=1), shown.put)
    made.start()
    yield made
    made.stop()


def refuse_unsigned(headers: Sequence[tuple[str, str]], body: bytes) -> None:
    if ("Signed", "yes") not in headers:
        raise SignatureInvalid("no signature")


def test_request_without_verification_is_shown_as_unsigned(
    receiver: Receiver, shown: SimpleQueue[Received]
) -> None:
    answer = httpx.post(f"http://127.0.0.1:{receiver.port}/hook?x=1", content=b'{"type":"a"}')
    assert answer.status_code == 503
    seen = shown.get(timeout=5)
    assert (seen.verified, seen.status, seen.path, seen.body) == (None, 503, "/hook?x=1", b'{"type":"a"}')


def test_request_that_does_not_verify_is_answered_401(
    receiver: Receiver, shown: SimpleQueue[Received]
) -> None:
    receiver.verify = refuse_unsigned
    assert httpx.post(f"http://127.0.0.1:{receiver.port}/").status_code == 401
    seen = shown.get(timeout=5)
    assert (seen.verified, seen.reason) == (False, "no signature")


def test_repeated_id_is_counted(receiver: Receiver, shown: SimpleQueue[Received]) -> None:
    receiver.verify = refuse_unsigned
    with httpx.Client(base_url=f"http://127.0.0.1:{receiver.port}", headers={"Signed": "yes"}) as client:
        statuses = [client.post("/", json={"type": "a", "id": each}).status_code for each in ("1", "2", "1")]
    assert statuses == [503, 200, 200]
    received = [shown.get(timeout=5) for _ in statuses]
    assert [(each.number, each.seen) for each in received] == [(1, 1), (2, 1), (3, 2)]


def test_body_that_is_too_large_is_refused_unread(receiver: Receiver, shown: SimpleQueue[Received]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=5)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(BODY_MAX_BYTES + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert shown.empty()
