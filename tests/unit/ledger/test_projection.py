"""What records make of the delivery log's rows."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest

from consumers.ledger import projection
from consumers.ledger.batch import Tried
from consumers.ledger.health import Policy, State
from tests.harness.logbook import NOW_MS, attempt, batch, delivery, told, tried
from tocsin.deliveries import Verdict

NEVER = Policy({}, 1 << 60)
MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("verdict", "earlier", "posted", "status"),
    [
        ("delivered", 0, True, "delivered"),
        ("retry", 0, True, "retrying"),
        ("dead_letter", 3, True, "dead"),
        ("dead_letter", 0, False, "dead"),
        ("parked", 0, False, "pending"),
        ("parked", 2, False, "retrying"),
        ("interrupted", 0, True, "retrying"),
    ],
)
def test_status_follows_from_the_newest_decision(
    verdict: Verdict, earlier: int, posted: bool, status: str
) -> None:
    made = attempt(delivery("a"), verdict, earlier=earlier, posted=posted)
    (row,) = projection.rows([told(delivery("a")), tried(made)]).deliveries.values()
    assert row["status"] == status


@pytest.mark.parametrize(
    ("tier", "remaining_s", "after_s"),
    [("5s", 0, 5), ("1m", 0, 60), ("2h", 3600, 10_800), (None, 0, None), ("of another version", 0, None)],
)
def test_next_try_is_expected_when_tier_and_remainder_have_passed(
    tier: str | None, remaining_s: int, after_s: int | None
) -> None:
    made = attempt(delivery("a"), "retry", tier=tier, remaining_s=remaining_s)
    (row,) = projection.rows([tried(made, NOW_MS + 7)]).deliveries.values()
    assert row["next_at"] == (None if after_s is None else NOW_MS + 7 + 1000 * after_s)


@pytest.mark.parametrize(
    ("verdict", "posted", "counts"),
    [
        ("delivered", True, (1, 0, 0, 0)),
        ("retry", True, (0, 1, 0, 0)),
        ("dead_letter", True, (0, 1, 1, 0)),
        ("dead_letter", False, (0, 0, 1, 0)),
        ("parked", False, (0, 0, 0, 1)),
        ("parked", True, (0, 0, 0, 1)),
        ("interrupted", True, (0, 0, 0, 0)),
    ],
)
def test_decision_counts_in_its_minute(verdict: Verdict, posted: bool, counts: tuple[int, ...]) -> None:
    at_ms = NOW_MS - NOW_MS % MINUTE_MS + MINUTE_MS - 1
    (row,) = projection.rows([tried(attempt(delivery("a"), verdict, posted=posted), at_ms)]).minutes.values()
    assert row["minute"] == at_ms - MINUTE_MS + 1
    assert (row["delivered"], row["failed"], row["dead"], row["parked"]) == counts


def test_delivery_and_its_attempts_make_one_row_whoever_comes_first() -> None:
    """All but the time of the first record is the same in any order that keeps the attempts' own."""
    made = delivery("a")
    first = tried(attempt(made, "retry", tier="5s"), offset=3)
    second = tried(attempt(made, step=1, earlier=1), offset=9)
    rows = [
        projection.rows(order)
        for order in ((told(made), first, second), (first, told(made), second), (first, second, told(made)))
    ]
    assert rows[0] == rows[1] == rows[2]
    (row,) = rows[0].deliveries.values()
    assert (row["body"], orjson.loads(row["headers"])) == (made.body, [list(pair) for pair in made.headers])
    assert (row["status"], row["step"], row["attempts"], row["decided_offset"]) == ("delivered", 1, 2, 9)
    assert (row["last_status"], row["last_error"], row["reason"]) == (200, None, None)
    assert [(each["step"], each["attempt"]) for each in rows[0].attempts] == [(0, 1), (1, 2)]


def test_delivery_that_was_never_tried_is_pending_without_a_decision() -> None:
    rows = projection.rows([told(delivery("a"), NOW_MS, run="rcv-1")])
    (row,) = rows.deliveries.values()
    assert (row["status"], row["run"], row["decided_at"], row["created_at"]) == (
        "pending",
        "rcv-1",
        None,
        NOW_MS,
    )
    assert (rows.decided, rows.attempts, rows.minutes) == (set(), [], {})


def test_what_was_not_sent_keeps_what_the_last_post_came_to() -> None:
    made = delivery("a")
    parked = attempt(made, "parked", step=1, earlier=1, status=None, error=None)
    (row,) = projection.rows([tried(attempt(made, "retry")), tried(parked)]).deliveries.values()
    assert (row["attempts"], row["last_status"], row["last_error"]) == (1, 500, "HTTP 500")


def test_try_that_is_known_or_stands_twice_is_left_out() -> None:
    made = delivery("a")
    entries = [tried(attempt(made, step=step), offset=n) for n, step in enumerate((0, 1, 1, 2, 0))]
    fresh = projection.without([told(made), *entries], {(made.delivery_id, "0", 0)})
    assert [entry.offset for entry in fresh if isinstance(entry, Tried)] == [1, 3]
    assert projection.without([], set()) == []


def failures(count: int, **changes: Any) -> list[Any]:
    """Return attempts that fail one after the other."""
    return [
        tried(
            attempt(delivery(f"e{n}"), "retry", started_at=NOW_MS + 1000 * n, **changes),
            quiet=n < 2,
            offset=n,
        )
        for n in range(count)
    ]


def test_endpoint_is_judged_by_its_attempts_in_their_order() -> None:
    states, announced = projection.judge(failures(3), {}, Policy({"governlayer": 3}, 1 << 60))
    assert states["wh_1"].consecutive_failures == 3
    assert [change.health.disabled for change in announced] == [True]


def test_what_was_announced_is_known_and_not_announced_again() -> None:
    states, announced = projection.judge(failures(2), {}, Policy({"governlayer": 2}, 1 << 60))
    assert (states["wh_1"].disabled_reason, announced) == ("consecutive_failures", [])


def test_judgement_goes_on_from_what_the_store_knows_and_tells_only_what_changed() -> None:
    known = {"wh_1": State("wh_1", "acme", 1, consecutive_failures=5), "wh_2": State("wh_2", "acme", 1)}
    nothing = tried(attempt(delivery("x", "wh_2"), "parked"))
    states, _ = projection.judge([*failures(1), nothing], known, NEVER)
    assert {key: state.consecutive_failures for key, state in states.items()} == {"wh_1": 6}


def test_halves_of_a_batch_begin_where_the_one_before_them_ends() -> None:
    whole = batch([None] * 5, begin=10)
    first, second = whole.halves()
    assert [dict(first.begin), dict(second.begin)] == [
        dict.fromkeys(whole.begin, 10),
        dict.fromkeys(whole.begin, 12),
    ]
    offsets = [taken.record.offset for taken in itertools.chain(first.taken, second.taken)]
    assert offsets == [10, 11, 12, 13, 14]
