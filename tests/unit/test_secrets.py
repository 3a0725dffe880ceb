"""Signing secrets at rest."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import secrets
from tocsin.errors import ConfigurationError, NoSecret
from tocsin.secrets import Keyring
from tocsin.settings import Settings
from tocsin.subscriptions import StoredSecret, Subscription

TEXT = "whsec_canary"
PLACE = {"topic": "tocsin.subscriptions", "organization": "acme", "subscription": "wh_1"}
KEY = base64.b64encode(b"k" * 32).decode()


def ring(*ids: str) -> Keyring:
    return secrets.parse_keyring("test", "\n".join(secrets.new_key_line(key_id) for key_id in ids))


def sealed(keyring: Keyring) -> StoredSecret:
    return keyring.seal(TEXT, **PLACE, secret_id="sec_1", now_ms=1_000)


def settings(**values: Any) -> Settings:
    return Settings(**{"_env_file": None, **values})


def test_secret_opens_in_its_place() -> None:
    keyring = ring("a")
    assert keyring.open(sealed(keyring), **PLACE) == TEXT


@pytest.mark.parametrize("name", list(PLACE))
def test_secret_does_not_open_in_another_place(name: str) -> None:
    keyring = ring("a")
    with pytest.raises(NoSecret, match="does not open in this place"):
        keyring.open(sealed(keyring), **{**PLACE, name: "other"})


def test_secret_does_not_open_under_another_id() -> None:
    keyring = ring("a")
    with pytest.raises(NoSecret):
        keyring.open(replace(sealed(keyring), id="sec_2"), **PLACE)


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_places_are_not_confused_where_their_names_join_alike(one: str, two: str, three: str) -> None:
    keyring = ring("a")
    where = {"topic": "t", "organization": one, "subscription": two + "\0" + three}
    other = {"topic": "t", "organization": one + "\0" + two, "subscription": three}
    stored = keyring.seal(TEXT, **where, secret_id="s", now_ms=0)
    assert keyring.open(stored, **where) == TEXT
    if where != other:
        with pytest.raises(NoSecret):
            keyring.open(stored, **other)


@pytest.mark.parametrize("part", ["nonce", "sealed"])
def test_changed_bytes_do_not_open(part: str) -> None:
    keyring = ring("a")
    stored = sealed(keyring)
    changed = bytes([getattr(stored, part)[0] ^ 1]) + getattr(stored, part)[1:]
    with pytest.raises(NoSecret):
        keyring.open(replace(stored, **{part: changed}), **PLACE)


def test_first_key_seals_and_every_key_opens() -> None:
    old = ring("old")
    both = Keyring("new", {**ring("new").keys, **old.keys})
    assert both.open(sealed(old), **PLACE) == TEXT
    assert sealed(both).key_id == "new"


def test_secret_of_an_unknown_key_does_not_open() -> None:
    with pytest.raises(NoSecret, match="'a', which the keyring lacks"):
        ring("b").open(sealed(ring("a")), **PLACE)


def test_equal_secrets_do_not_look_equal() -> None:
    keyring = ring("a")
    assert sealed(keyring).sealed != sealed(keyring).sealed


def test_nothing_secret_stands_in_a_repr() -> None:
    keyring = secrets.parse_keyring("test", f"a:{KEY}")
    shown = repr(keyring) + repr(sealed(keyring))
    assert "kkkk" not in shown
    assert "canary" not in shown


def test_start_fails_where_a_key_is_missing() -> None:
    with_secret = Subscription("wh_1", "acme", "alpha", "u", ("*",), 0, 0, 0, secrets=(sealed(ring("old")),))
    ring("old", "new").require([with_secret])
    with pytest.raises(ConfigurationError, match="sealed with old, which it lacks"):
        ring("new").require([with_secret])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        ("a", "each line is"),
        (f":{KEY}", "each line is"),
        ("a:", "each line is"),
        ("a:not base64!", "each line is"),
        ("a:ключ", "each line is"),
        (f"a:{base64.b64encode(b'k' * 31).decode()}", "each line is"),
        (f"a:{base64.b64encode(b'k' * 33).decode()}", "each line is"),
        (f"a:{KEY}\na:{KEY}", "ids unique"),
    ],
)
def test_malformed_keyring_is_refused_without_showing_it(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as refused:
        secrets.parse_keyring("here", text)
    assert KEY not in str(refused.value)


def test_keyring_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keyring"
    file.write_text(f"b:{KEY}\n\na:{KEY}\n")
    assert secrets.load_keyring(settings(keyring=f"a:{KEY},b:{KEY}")).primary == "a"
    assert secrets.load_keyring(settings(keyring_file=file)).primary == "b"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_keyring_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "keyring"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=str(file)):
        secrets.load_keyring(settings(keyring_file=file))


def test_missing_keyring_names_the_setting() -> None:
    with pytest.raises(ConfigurationError, match="TOCSIN_KEYRING_FILE"):
        secrets.load_keyring(settings())
