"""Health of a webhook and the overview: counted from the delivery log."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from control import log_counts
from control.app import create_app
from control.backlog import Backlog, Progress, Waiting, count
from control.directory import Directory
from tests.unit.control import world
from tests.unit.control.calls import ask, register
from tests.unit.control.log_world import (
    HOOK,
    OTHER_HOOK,
    Logbook,
    counted,
    dead,
    delivery,
    known,
    plan,
    tried,
)
from tests.unit.control.world import NOW_MS, MemoryStore, make_services
from tocsin.errors import KafkaUnavailable
from tocsin.wire.systems import Systems

HEALTH = f"/v1/webhooks/{HOOK}/health"
OVERVIEW = "/v1/overview"


def test_health_counts_the_last_day(logged: TestClient, book: Logbook, directory: Directory) -> None:
    register(directory)
    book.write(
        known(
            consecutive_failures=3,
            failing_since=NOW_MS - 9000,
            last_success_at=NOW_MS - 10_000,
            last_failure_at=NOW_MS - 1000,
        ),
        counted(0, delivered=2, failed=1),
        counted(24 * 60 - 1, delivered=1, dead=1),
        counted(25 * 60, delivered=50, failed=50, dead=50),
        counted(0, subscription_id=OTHER_HOOK, failed=50),
        *(tried(number, duration_ms=float(number)) for number in range(1, 21)),
        tried(30, posted=False, duration_ms=1e6),
        tried(25 * 3600, duration_ms=1e6),
        delivery(5, status="retrying"),
        delivery(70, status="pending"),
        dead(900),
    )
    assert ask(logged, HEALTH).json() == {
        "active": True,
        "disabled_reason": None,
        "consecutive_failures": 3,
        "failing_since": "2026-03-01T19:21:51.123Z",
        "last_success_at": "2026-03-01T19:21:50.123Z",
        "last_failure_at": "2026-03-01T19:21:59.123Z",
        "success_rate": 0.75,
        "delivered": 3,
        "failed": 1,
        "dead": 1,
        "oldest_undelivered_age_s": 70.0,
        "p50_ms": 10.0,
        "p95_ms": 19.0,
    }


def test_health_of_a_webhook_that_was_never_tried_is_empty(logged: TestClient, directory: Directory) -> None:
    register(directory, active=False, inactive_reason="disabled by its owner")
    shown = ask(logged, HEALTH).json()
    assert (shown.pop("active"), shown.pop("disabled_reason")) == (False, "disabled by its owner")
    assert {name for name, value in shown.items() if value == 0} == {
        "consecutive_failures",
        "delivered",
        "failed",
        "dead",
    }
    assert {value for value in shown.values() if value != 0} == {None}


def test_failures_of_an_earlier_generation_do_not_count(
    logged: TestClient, book: Logbook, directory: Directory
) -> None:
    register(directory, generation=2)
    book.write(known(generation=1, consecutive_failures=10, failing_since=1, last_failure_at=NOW_MS))
    shown = ask(logged, HEALTH).json()
    assert (shown["consecutive_failures"], shown["failing_since"]) == (0, None)
    assert shown["last_failure_at"] == "2026-03-01T19:22:00.123Z"


def test_overview_shows_the_last_hour_and_what_waits(
    logged: TestClient, book: Logbook, directory: Directory
) -> None:
    register(directory)
    book.write(
        counted(0, delivered=2, failed=1),
        counted(0, subscription_id=OTHER_HOOK, delivered=3),
        counted(59, dead=1),
        counted(60, delivered=9),
        counted(1, organization="rival", delivered=9),
        delivery(1, status="pending"),
        delivery(2, status="retrying"),
        delivery(3, status="retrying"),
        dead(4),
        dead(5, reason="gone"),
        dead(6, reason=None),
        dead(7, organization="rival"),
    )
    shown = ask(logged, OVERVIEW).json()
    minutes = shown.pop("throughput")
    assert len(minutes) == 60
    assert minutes[0] == {"minute": "2026-03-01T18:23:00.000Z", "delivered": 0, "failed": 0, "dead": 1}
    assert minutes[-1] == {"minute": "2026-03-01T19:22:00.000Z", "delivered": 5, "failed": 1, "dead": 0}
    assert sum(each["delivered"] for each in minutes) == 5
    assert shown == {
        "webhooks": {"active": 1, "disabled": 0},
        "backlog": {"pending": 1, "retrying": 2, "live": None, "due": None, "tiers": None},
        "dead_letters": {"total": 3, "by_reason": {"exhausted": 1, "gone": 1, "unknown": 1}},
        "store": {"delay_s": None},
        "counted_to": log_counts.COUNT_MAX,
    }


def test_installations_backlog_is_told_to_its_operators_alone(
    systems: Systems, directory: Directory, book: Logbook
) -> None:
    told = Backlog(3, 2, {"5s": Waiting(1, 4.5), "25s": Waiting(0)})
    made = make_services(
        systems, directory, MemoryStore(directory), log=book.store.reading, backlog=lambda: told
    )
    api = TestClient(create_app(made))
    assert ask(api, OVERVIEW, world.WATCHER).json()["backlog"] == {
        "pending": 0,
        "retrying": 0,
        "live": 3,
        "due": 2,
        "tiers": {"5s": {"waiting": 1, "oldest_age_s": 4.5}, "25s": {"waiting": 0, "oldest_age_s": None}},
    }
    for key in (world.READER, world.ADMIN, world.RIVAL):
        assert ask(api, OVERVIEW, key).json()["backlog"]["tiers"] is None


def test_overview_does_without_a_backlog_that_kafka_does_not_tell(
    systems: Systems, directory: Directory, book: Logbook
) -> None:
    def away() -> Backlog:
        raise KafkaUnavailable("no broker")

    made = make_services(systems, directory, MemoryStore(directory), log=book.store.reading, backlog=away)
    answer = ask(TestClient(create_app(made)), OVERVIEW, world.WATCHER)
    assert (answer.status_code, answer.json()["backlog"]["live"]) == (200, None)


def test_overview_is_counted_once_in_a_moment_for_each_organization(
    logged: TestClient, book: Logbook
) -> None:
    book.write(dead(1))
    assert ask(logged, OVERVIEW).json()["dead_letters"]["total"] == 1
    book.write(dead(2))
    assert ask(logged, OVERVIEW).json()["dead_letters"]["total"] == 1
    assert ask(logged, OVERVIEW, world.RIVAL).json()["dead_letters"]["total"] == 0


def test_every_count_has_its_index(book: Logbook) -> None:
    queries: dict[str, Any] = {
        "ix_deliveries_oldest": log_counts.oldest("wh", "dead"),
        "ix_attempts_subscription_id_started_at": log_counts.durations("wh", 1),
        "ix_minutes_organization_minute": log_counts.throughput("acme", 1),
        "sqlite_autoindex_minutes_1": log_counts.sums("acme", "wh", 1),
        "sqlite_autoindex_health_1": log_counts.health_of("acme", "wh"),
    }
    with book.store.reading() as connection:
        for index, query in queries.items():
            assert plan(connection, query) == [index]
        for query in (log_counts.waiting("acme", "pending"), log_counts.reasons("acme")):
            assert "ix_deliveries_undelivered" in plan(connection, query)


@pytest.mark.parametrize(
    ("end", "first", "finished", "waiting"),
    [(10, 10, 0, 0), (10, 4, 0, 6), (10, 4, 3, 3), (10, 4, 6, 0), (10, 12, 0, 0), (0, 0, 0, 0)],
)
def test_what_waits_is_what_is_not_finished(end: int, first: int, finished: int, waiting: int) -> None:
    assert count(end, Progress(first, finished)) == waiting


@given(values=st.lists(st.floats(0, 1e6), min_size=1), share=st.floats(0.01, 1.0))
def test_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    found = log_counts.percentile(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) < share * len(values) + 1e-6


@given(now_ms=st.integers(10**12, 2 * 10**12), count_=st.integers(1, 90))
def test_minutes_are_without_gaps_and_end_now(now_ms: int, count_: int) -> None:
    shown = log_counts.minute_by_minute([], now_ms=now_ms, count=count_)
    times = [minute for minute, _ in shown]
    assert times == list(range(times[0], times[0] + 60_000 * count_, 60_000))
    assert times[-1] <= now_ms < times[-1] + 60_000
