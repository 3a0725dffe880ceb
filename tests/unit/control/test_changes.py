"""Changing a webhook: versions, generations, preconditions, and what two writers at once come to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from control.app import create_app
from control.directory import Directory
from control.overtaken import CameSecond
from control.preconditions import etag, require
from tests.unit.control import world
from tests.unit.control.calls import PATH, as_key, change, create, stored
from tests.unit.control.world import AwayStore, MemoryStore, make_services
from tocsin.http.problems import Problem
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import Systems


@pytest.mark.parametrize(
    ("fields", "generation"),
    [
        ({"active": False}, 2),
        ({"active": True}, 2),  # whatever disabled it before does not hold any more
        ({"url": "https://example.com/other"}, 2),
        ({"url": "https://example.com/hook"}, 1),
        ({"events": ["pass"]}, 1),
        ({"description": "new"}, 1),
        ({"headers": {"X-Team": "risk"}}, 1),
    ],
)
def test_change_raises_the_version_and_the_generation_where_it_switches_or_redirects(
    api: TestClient, directory: Directory, fields: dict[str, Any], generation: int
) -> None:
    made = create(api)
    answer = change(api, made["id"], **fields)
    assert (answer.status_code, answer.headers["etag"], answer.json()["version"]) == (200, '"2"', 2)
    now = stored(directory, made["id"])
    assert (now.version, now.generation) == (2, generation)


def test_what_is_left_out_stays_as_it_is(api: TestClient, directory: Directory) -> None:
    made = create(api, contract_id="c-1", description="old", headers={"X-A": "a"})
    before = stored(directory, made["id"])
    change(api, made["id"], events=["pass", "pass", "drift.*"])
    now = stored(directory, made["id"])
    assert now.event_types == ("pass", "drift.*")
    assert (now.url, now.scope, now.description, now.headers, now.secrets, now.active) == (
        before.url,
        before.scope,
        before.description,
        before.headers,
        before.secrets,
        True,
    )


def test_disabled_webhook_says_by_whom_until_it_is_enabled(api: TestClient) -> None:
    made = create(api)
    disabled = change(api, made["id"], active=False).json()
    assert (disabled["active"], disabled["disabled_reason"]) == (False, "disabled by its owner")
    enabled = change(api, made["id"], active=True).json()
    assert (enabled["active"], enabled["disabled_reason"]) == (True, None)


def test_change_of_nothing_is_no_version(api: TestClient) -> None:
    made = create(api)
    answer = change(api, made["id"])
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": None}, "url"),
        ({"url": "http://example.com/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://example.com/…"}, "url"),
        ({"url": "https://chat.example.com/T0"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["nope"]}, "events.0"),
        ({"active": "yes"}, "active"),
        ({"active": None}, "active"),
        ({"headers": {"X-Signature": "forged"}}, "headers.X-Signature"),
        ({"description": "a\u0000"}, "description"),
        ({"format": "chat"}, "format"),
        ({"secret": "s" * 32}, "secret"),
        ({"contract_id": "c"}, "contract_id"),
    ],
)
def test_bad_change_is_400_and_changes_nothing(
    api: TestClient, directory: Directory, fields: dict[str, Any], field: str
) -> None:
    made = create(api)
    answer = change(api, made["id"], **fields)
    assert answer.status_code == 400, answer.text
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert stored(directory, made["id"]).version == 1


def test_stale_change_is_412_and_changes_nothing(api: TestClient, directory: Directory) -> None:
    made = create(api)
    assert change(api, made["id"], '"1"', description="first").status_code == 200
    answer = change(api, made["id"], '"1"', description="second")
    assert (answer.status_code, answer.json()["code"]) == (412, "stale")
    assert stored(directory, made["id"]).description == "first"
    deleted = api.delete(f"{PATH}/{made['id']}", headers=as_key(world.MANAGER) | {"If-Match": '"1"'})
    assert deleted.status_code == 412


def test_tag_of_an_answer_fits_the_next_change(api: TestClient) -> None:
    answer = api.post(
        PATH, json={"url": "https://example.com/", "events": ["*"]}, headers=as_key(world.MANAGER)
    )
    tag = answer.headers["etag"]
    for number in range(3):
        answer = change(api, answer.json()["id"], tag, description=str(number))
        assert answer.status_code == 200
        tag = answer.headers["etag"]
    read = api.get(f"{PATH}/{answer.json()['id']}", headers=as_key(world.READER))
    assert read.headers["etag"] == tag


def test_foreign_or_unknown_webhook_is_404_and_a_reader_may_not_change(api: TestClient) -> None:
    made = create(api)
    assert change(api, made["id"], key=world.STRANGER, active=False).status_code == 404
    assert change(api, f"wh_{'0' * 24}", active=False).status_code == 404
    assert change(api, made["id"], key=world.READER, active=False).status_code == 403


class Raced(MemoryStore):
    """Before a change is written, somebody else's comes first, so many times."""

    def __init__(self, directory: Directory, times: int) -> None:
        super().__init__(directory)
        self._directory, self._left = directory, times

    def put(self, subscription: Subscription) -> Subscription:
        known = self._directory.get(subscription.organization, subscription.id)
        if known is not None and self._left:
            self._left -= 1
            super().put(replace(known, version=known.version + 1, description=f"theirs {self._left}"))
            raise CameSecond("theirs came first")
        return super().put(subscription)


def raced(systems: Systems, directory: Directory, times: int) -> TestClient:
    return TestClient(create_app(make_services(systems, directory, Raced(directory, times))))


def test_change_that_came_second_is_412_where_it_was_meant_for_one_version(
    systems: Systems, directory: Directory
) -> None:
    api = raced(systems, directory, 1)
    made = create(api)
    assert change(api, made["id"], '"1"', events=["pass"]).status_code == 412
    assert stored(directory, made["id"]).event_types == ("drift.alert",)


def test_change_that_came_second_is_made_anew_of_the_winner_without_a_precondition(
    systems: Systems, directory: Directory
) -> None:
    api = raced(systems, directory, 2)
    made = create(api)
    answer = change(api, made["id"], events=["pass"])
    assert (answer.status_code, answer.json()["version"]) == (200, 4)
    now = stored(directory, made["id"])
    assert (now.event_types, now.description) == (("pass",), "theirs 0")


def test_change_that_never_comes_first_is_412_in_the_end(systems: Systems, directory: Directory) -> None:
    api = raced(systems, directory, 1_000)
    assert change(api, create(api)["id"], active=False).status_code == 412


def test_unacknowledged_change_is_503_and_says_what_is_known(systems: Systems, directory: Directory) -> None:
    made = create(TestClient(create_app(make_services(systems, directory, MemoryStore(directory)))))
    away = TestClient(create_app(make_services(systems, directory, AwayStore(directory))))
    answer = change(away, made["id"], active=False)
    assert answer.status_code == 503
    assert "may or may not be" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("if_match", "passes"),
    [
        (None, True),
        ("*", True),
        ('"7"', True),
        ('"6", "7"', True),
        ('"6"', False),
        ('W/"7"', False),
        ("7", False),
        ("", False),
        ('"77"', False),
    ],
)
def test_precondition(if_match: str | None, passes: bool) -> None:
    assert etag(7) == '"7"'
    if passes:
        require(if_match, 7)
    else:
        with pytest.raises(Problem, match="changed meanwhile"):
            require(if_match, 7)
