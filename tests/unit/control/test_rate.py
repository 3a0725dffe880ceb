"""How often a key may ask."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from control.app import create_app
from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.calls import PATH, as_key
from tests.unit.control.world import MemoryStore, make_services
from tocsin.http.rate import WINDOW_S, Limiter, Window, spend
from tocsin.wire.systems import Systems

LIMIT = 100


class Clock:
    now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limited(systems: Systems, directory: Directory, clock: Clock) -> TestClient:
    """An API whose time stands still until the clock is moved."""
    return TestClient(create_app(make_services(systems, directory, MemoryStore(directory), clock_ms=clock)))


def test_request_after_the_hundredth_is_429_until_the_minute_is_over(
    limited: TestClient, clock: Clock
) -> None:
    for left in range(LIMIT - 1, -1, -1):
        answer = limited.get(PATH, headers=as_key(world.BETA))
        assert answer.status_code == 200
        assert answer.headers["ratelimit"] == f'"default";r={left};t=60'
        assert answer.headers["ratelimit-policy"] == '"default";q=100;w=60'
    clock.now_ms = 17_500
    answer = limited.get(PATH, headers=as_key(world.BETA))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "43")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "rate_limited"
    assert answer.headers["ratelimit"] == '"default";r=0;t=43'
    clock.now_ms = 17_500 + 43_000
    assert limited.get(PATH, headers=as_key(world.BETA)).status_code == 200


def test_keys_do_not_count_for_each_other(limited: TestClient) -> None:
    for _ in range(LIMIT + 1):
        limited.get(PATH, headers=as_key(world.BETA))
    assert limited.get(PATH, headers=as_key(world.BETA)).status_code == 429
    assert limited.get(PATH, headers=as_key(world.MANAGER)).status_code == 200


def test_every_answer_to_a_known_key_says_where_it_stands(limited: TestClient) -> None:
    refused = limited.post(PATH, json={}, headers=as_key(world.READER))
    unknown = limited.get(f"{PATH}/wh_{'0' * 24}", headers=as_key(world.READER))
    assert (refused.status_code, unknown.status_code) == (403, 404)
    assert [each.headers["ratelimit"] for each in (refused, unknown)] == [
        '"default";r=999999;t=60',
        '"default";r=999998;t=60',
    ]
    assert "ratelimit" not in limited.get(PATH, headers=as_key(world.UNKNOWN)).headers


def test_system_without_a_documented_limit_has_the_installations() -> None:
    limiter = Limiter(2, lambda: 0)
    assert [limiter.spend("a", None).refused for _ in range(3)] == [False, False, True]
    assert [limiter.spend("b", 1).refused for _ in range(2)] == [False, True]


@given(st.lists(st.integers(0, 30_000), max_size=60), st.integers(1, 10))
def test_window_lets_through_what_is_documented_and_says_when_to_come_back(
    gaps_ms: list[int], limit: int
) -> None:
    window: Window | None = None
    now_ms = 0
    passed: dict[int, int] = {}
    for gap_ms in gaps_ms:
        now_ms += gap_ms
        window, standing = spend(window, limit, now_ms)
        assert 0 < standing.reset_s <= WINDOW_S
        assert standing.left == limit - window.used
        if standing.refused:
            assert standing.left == 0
            assert not spend(window, limit, now_ms + 1000 * standing.reset_s)[1].refused
        else:
            passed[window.began_ms] = passed.get(window.began_ms, 0) + 1
    assert all(count <= limit for count in passed.values())
    begun = sorted(passed)
    assert all(later - earlier >= 1000 * WINDOW_S for earlier, later in pairwise(begun))
