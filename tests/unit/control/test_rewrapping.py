"""Sealing again: who may ask for it, and what it leaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from control import rewrapping
from control.app import create_app
from control.directory import Directory
from control.log import Log
from control.overtaken import CameSecond
from control.services import Services
from tests.unit.control import world
from tests.unit.control.calls import as_key, create
from tests.unit.control.log_world import HOOK, Logbook, delivery, delivery_id
from tests.unit.control.world import AwayStore, MemoryStore, MemoryTrail, make_services
from tocsin import secrets
from tocsin.errors import NotAcknowledged
from tocsin.secrets import Keyring
from tocsin.subscriptions import Subscription, all_sealed
from tocsin.wire.systems import Systems

TWO_KEYS = Keyring(
    "new", {**secrets.parse_keyring("test", "\n".join(map(secrets.new_key_line, ("new", "old")))).keys}
)
OLD_FIRST = replace(TWO_KEYS, primary="old")


def rewrap(api: TestClient, key: str = world.OPERATOR, **fields: Any) -> Any:
    return api.post(rewrapping.PATH, json={"key_id": "new", **fields}, headers=as_key(key))


def calling(services: Services) -> TestClient:
    return TestClient(create_app(services))


@pytest.fixture
def before(systems: Systems, directory: Directory) -> Services:
    """A node that seals with the old key, with webhooks of two organizations."""
    services = replace(make_services(systems, directory, MemoryStore(directory)), keyring=OLD_FIRST)
    api = calling(services)
    create(api, headers={"X-Token": "t"})
    create(api, url="https://chat.example.com/T0/B0/secret")
    create(api, world.STRANGER)
    return services


def test_everything_of_every_organization_is_sealed_again_and_means_the_same(
    before: Services, directory: Directory
) -> None:
    known = {each.id: before.opened(each) for each in directory.all()}
    after = replace(before, keyring=TWO_KEYS)
    answer = rewrap(calling(after))
    assert (answer.status_code, answer.json()) == (
        200,
        {"key_id": "new", "rewrapped": 3, "left": 0, "unopened": []},
    )
    assert {sealed.key_id for each in directory.all() for sealed in all_sealed(each)} == {"new"}
    only_new = replace(after, keyring=Keyring("new", {"new": TWO_KEYS.keys["new"]}))
    for each in directory.all():
        opened = only_new.opened(each)
        assert opened.version == known[each.id].version + 1
        assert opened.updated_at == known[each.id].updated_at
        assert (opened.url, opened.headers) == (known[each.id].url, known[each.id].headers)
    assert rewrap(calling(after)).json()["rewrapped"] == 0


def test_each_organization_hears_of_it_in_its_audit_also_where_the_rest_has_failed(
    before: Services, directory: Directory
) -> None:
    class Failing(MemoryStore):
        left = 2

        def put(self, subscription: Subscription) -> Subscription:
            self.left -= 1
            if self.left < 0:
                raise NotAcknowledged("no acknowledgement within 5 s")
            return super().put(subscription)

    trail = MemoryTrail()
    failing = replace(before, keyring=TWO_KEYS, trail=trail, store=Failing(directory))
    assert rewrap(calling(failing)).status_code == 503
    assert sum(entry.after["webhooks"] for entry in trail.entries) == 2
    rewrap(calling(replace(failing, store=MemoryStore(directory))))
    rewrap(calling(replace(failing, store=MemoryStore(directory))))
    told: Counter[tuple[str, str, str]] = Counter()
    for entry in trail.entries:
        told[entry.action, entry.object, entry.organization] += entry.after["webhooks"]
    assert told == {("keyring.rewrapped", "new", "acme"): 2, ("keyring.rewrapped", "new", "rival"): 1}


def test_no_key_of_an_organization_may_ask_for_it(before: Services) -> None:
    for key in (world.ADMIN, world.MANAGER, world.READER):
        answer = rewrap(calling(before), key)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


def test_node_that_seals_with_another_key_refuses(before: Services) -> None:
    answer = rewrap(calling(before))
    assert (answer.status_code, answer.json()["code"]) == (409, "other_primary")


def test_row_that_does_not_open_is_named_and_keeps_no_other_from_it(
    before: Services, directory: Directory
) -> None:
    first = directory.all()[0]
    moved = replace(first, id="wh_moved")
    directory.update(moved.id, moved)
    told = rewrap(calling(replace(before, keyring=TWO_KEYS))).json()
    assert (told["rewrapped"], told["left"], told["unopened"]) == (3, 1, ["wh_moved"])


def test_webhook_that_does_not_open_is_shown_and_changes_of_it_are_409(
    before: Services, directory: Directory, book: Logbook
) -> None:
    book.write(delivery(1))
    sealed = next(each for each in directory.all() if each.sealed_url is not None)
    directory.update(HOOK, replace(sealed, id=HOOK))
    api = calling(replace(before, log=Log(book.store.reading)))
    shown = api.get(f"/v1/deliveries/{delivery_id(1)}", headers=as_key(world.READER))
    assert shown.status_code == 200, shown.text
    path = f"/v1/webhooks/{HOOK}"
    assert api.get(path, headers=as_key(world.READER)).json()["url"] in shown.text
    changed = api.patch(path, json={"description": "d"}, headers=as_key(world.MANAGER))
    assert (changed.status_code, changed.json()["code"]) == (409, "sealed_elsewhere")


def test_owners_change_that_comes_first_is_left_for_the_next_request(
    before: Services, directory: Directory
) -> None:
    class Overtaken(MemoryStore):
        def put(self, subscription: Subscription) -> Subscription:
            raise CameSecond("theirs came first")

    told = rewrap(calling(replace(before, keyring=TWO_KEYS, store=Overtaken(directory)))).json()
    assert (told["rewrapped"], told["left"]) == (0, 3)


def test_request_ends_in_time_and_says_what_is_left(
    before: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewrapping, "LASTS_S", 0.0)
    told = rewrap(calling(replace(before, keyring=TWO_KEYS))).json()
    assert (told["rewrapped"], told["left"]) == (0, 3)


def test_absent_broker_is_503(before: Services, directory: Directory) -> None:
    away = replace(before, keyring=TWO_KEYS, store=AwayStore(directory))
    assert rewrap(calling(away)).status_code == 503
