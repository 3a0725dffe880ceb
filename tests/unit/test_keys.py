"""API keys."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import keys
from tocsin.keys import ApiKey

_RANDOM = st.binary(min_size=keys.RANDOM_BYTES, max_size=keys.RANDOM_BYTES + 16)


def made(random: bytes, **changes: object) -> tuple[str, ApiKey]:
    key_id, text = keys.new_key(random)
    key = ApiKey(key_id, "acme", "alpha", keys.digest(text), ("read",), 1_000)
    return text, replace(key, **changes)  # type: ignore[arg-type]


@given(_RANDOM)
def test_key_names_its_id(random: bytes) -> None:
    key_id, text = keys.new_key(random)
    assert keys.key_id(text) == key_id


@given(random=_RANDOM, at=st.integers(0, 63), letter=st.sampled_from("aZ7_"))
def test_typing_error_is_found_before_any_look_up(random: bytes, at: int, letter: str) -> None:
    text = keys.new_key(random)[1]
    wrong = text[:at] + letter + text[at + 1 :]
    assert (keys.key_id(wrong) is None) == (wrong != text)


@given(random=_RANDOM, at=st.integers(0, keys.RANDOM_BYTES - 1), bit=st.integers(0, 7))
def test_every_random_bit_counts(random: bytes, at: int, bit: int) -> None:
    other = bytearray(random)
    other[at] ^= 1 << bit
    assert keys.new_key(bytes(other)) != keys.new_key(random)


def test_key_is_not_made_of_too_little_randomness() -> None:
    with pytest.raises(ValueError, match="36 random bytes"):
        keys.new_key(os.urandom(35))


@pytest.mark.parametrize("text", ["", "toc_", "toc_abc_def", "toc_" + "a" * 60, "x" * 100_000])
def test_other_text_is_no_key(text: str) -> None:
    assert keys.key_id(text) is None


@pytest.mark.parametrize(
    ("changes", "now_ms", "usable"),
    [
        ({}, 10**15, True),
        ({"expires_at": 2_000}, 1_999, True),
        ({"expires_at": 2_000}, 2_000, False),
        ({"revoked_at": 5_000}, 1_500, False),
        ({"sha256": keys.digest("another")}, 1_500, False),
    ],
)
def test_key_is_usable_until_it_expires_or_is_revoked(
    changes: dict[str, object], now_ms: int, usable: bool
) -> None:
    text, key = made(os.urandom(48), **changes)
    assert keys.usable(key, text, now_ms) == usable


@pytest.mark.parametrize(
    ("scopes", "scope", "allowed"),
    [
        (("read",), "read", True),
        (("manage",), "read", False),
        (("admin",), "replay", True),
        ((), "read", False),
    ],
)
def test_scope_stands_for_itself_and_admin_for_all(
    scopes: tuple[str, ...], scope: str, allowed: bool
) -> None:
    assert keys.allows(made(os.urandom(48), scopes=scopes)[1], scope) == allowed


def test_record_holds_the_key_but_not_its_text() -> None:
    text, key = made(os.urandom(48), expires_at=5, description="d")
    assert keys.from_record(keys.to_record(key)) == key
    assert text not in repr(key)
    assert text.encode() not in key.sha256


def test_revoked_key_stays_revoked_whoever_writes_it_again() -> None:
    key = ApiKey("id", "acme", "alpha", b"", ("read",), 1)
    revoked = replace(key, revoked_at=2)
    assert keys.supersedes(revoked, key)
    assert keys.supersedes(replace(revoked, revoked_at=3), revoked)
    assert not keys.supersedes(key, revoked)
