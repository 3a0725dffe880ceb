"""What of a subscription is sealed in its record, and that it opens in its place alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.samples import OLD, PLAIN, SYSTEMS, TOPIC
from tocsin import sealing, secrets, subscriptions
from tocsin.errors import ConfigurationError, NoSecret
from tocsin.secrets import Keyring
from tocsin.subscriptions import StoredSecret, Subscription, all_sealed

OWN: Final = SYSTEMS.wire_format("governlayer", None)
SLACK: Final = SYSTEMS.wire_format("governlayer", "slack")
NEW: Final = Keyring("new", {**secrets.parse_keyring("test", secrets.new_key_line("new")).keys, **OLD.keys})
NOW_MS: Final = 1_000

CHAT: Final = replace(PLAIN, url="https://hooks.slack.com/services/canary", format="slack")


def secret(expires_at: int | None = None) -> StoredSecret:
    place = {"topic": TOPIC, "organization": "acme", "subscription": "wh_1"}
    return replace(OLD.seal("canary", **place, secret_id="sec_1", now_ms=7), expires_at=expires_at)


@pytest.mark.parametrize(("plain", "wire"), [(PLAIN, OWN), (CHAT, SLACK)])
def test_sealed_record_holds_nothing_secret_and_opens_to_what_it_was(
    plain: Subscription, wire: object
) -> None:
    sealed = sealing.sealed(plain, OLD, TOPIC, wire, NOW_MS)  # type: ignore[arg-type]
    record = subscriptions.to_record(sealed)
    assert "canary" not in repr(record) + repr(sealed)
    assert subscriptions.from_record(record, -1) == sealed
    assert sealing.opened(sealed, OLD, TOPIC) == plain


def test_url_is_sealed_only_where_its_path_is_a_secret() -> None:
    assert sealing.sealed(PLAIN, OLD, TOPIC, OWN, NOW_MS).sealed_url is None
    assert sealing.sealed(CHAT, OLD, TOPIC, SLACK, NOW_MS).url == "https://hooks.slack.com/…"


def test_record_from_before_is_read_as_it_stands() -> None:
    """Older records have no sealed fields, and their headers lie open."""
    record = subscriptions.to_record(CHAT)
    del record["sealed_headers"], record["sealed_url"]
    assert sealing.opened(subscriptions.from_record(record, -1), OLD, TOPIC) == CHAT


@pytest.mark.parametrize("change", [{"id": "wh_2"}, {"organization": "rival"}])
def test_row_that_was_moved_does_not_open(change: dict[str, str]) -> None:
    for plain, wire in ((PLAIN, OWN), (CHAT, SLACK)):
        moved = replace(sealing.sealed(plain, OLD, TOPIC, wire, NOW_MS), **change)  # type: ignore[arg-type]
        with pytest.raises(NoSecret, match="does not open in this place"):
            sealing.opened(moved, OLD, TOPIC)


def test_parts_of_one_row_do_not_open_in_each_others_place() -> None:
    """Whoever can write the topic can't have a token sent as part of a URL, or as another header."""
    sealed = sealing.sealed(CHAT, OLD, TOPIC, SLACK, NOW_MS)
    token, url = sealed.sealed_headers["X-Token"], sealed.sealed_url
    assert url is not None
    for swapped in (
        replace(sealed, sealed_url=token),
        replace(sealed, sealed_url=replace(token, id="url")),
        replace(sealed, sealed_headers={"X-Other": token}),
        replace(sealed, sealed_headers={"X-Token": url}),
        replace(sealed, sealed_headers={"X-Token": secret()}),
    ):
        with pytest.raises(NoSecret):
            sealing.opened(swapped, OLD, TOPIC)


def test_start_fails_where_a_key_of_anything_sealed_is_missing() -> None:
    lacking = secrets.parse_keyring("test", secrets.new_key_line("other"))
    for plain, wire in ((PLAIN, OWN), (replace(CHAT, headers={}), SLACK)):
        with pytest.raises(ConfigurationError, match="sealed with old, which it lacks"):
            lacking.require([sealing.sealed(plain, OLD, TOPIC, wire, NOW_MS)])


def test_rewrapped_row_needs_the_new_key_alone_and_means_the_same() -> None:
    sealed = replace(sealing.sealed(CHAT, OLD, TOPIC, SLACK, NOW_MS), secrets=(secret(), secret(NOW_MS + 1)))
    again = sealing.rewrapped(sealed, NEW, TOPIC, SLACK, NOW_MS)
    only_new = Keyring("new", {"new": NEW.keys["new"]})
    assert {each.key_id for each in all_sealed(again)} == {"new"}
    assert replace(sealing.opened(again, only_new, TOPIC), secrets=()) == CHAT
    assert [(each.id, each.created_at, each.expires_at) for each in again.secrets] == [
        ("sec_1", 7, None),
        ("sec_1", 7, NOW_MS + 1),
    ]
    for each in again.secrets:
        place = {"topic": TOPIC, "organization": "acme", "subscription": "wh_1"}
        assert only_new.open(each, **place) == "canary"


def test_row_that_needs_nothing_is_the_same_object_after_rewrapping() -> None:
    sealed = sealing.sealed(CHAT, NEW, TOPIC, SLACK, NOW_MS)
    assert sealing.rewrapped(sealed, NEW, TOPIC, SLACK, NOW_MS) is sealed


@pytest.mark.parametrize(("plain", "wire"), [(PLAIN, OWN), (replace(CHAT, headers={}), SLACK)])
def test_row_from_before_is_sealed_by_rewrapping(plain: Subscription, wire: object) -> None:
    again = sealing.rewrapped(plain, NEW, TOPIC, wire, NOW_MS)  # type: ignore[arg-type]
    assert "canary" not in repr(subscriptions.to_record(again))
    assert sealing.opened(again, NEW, TOPIC) == plain


def test_secret_that_holds_no_more_is_left_out_by_rewrapping() -> None:
    sealed = replace(PLAIN, secrets=(secret(), secret(NOW_MS)))
    assert len(sealing.rewrapped(sealed, NEW, TOPIC, OWN, NOW_MS).secrets) == 1


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))
def test_any_headers_come_back_as_they_were(headers: dict[str, str]) -> None:
    plain = replace(PLAIN, headers=headers)
    assert sealing.opened(sealing.sealed(plain, OLD, TOPIC, OWN, NOW_MS), OLD, TOPIC) == plain
