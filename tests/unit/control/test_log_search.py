"""Searching the delivery log: what is found, in which order, in which pages, by which index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, delete, insert

from control import log_search
from control.cursor import Position
from control.log_search import Page, Search
from tests.unit.control.log_world import (
    OTHER_HOOK,
    ROWS,
    SEARCHED,
    Logbook,
    dead,
    delivery,
    delivery_id,
    plan,
)
from tocsin.ledger.tables import deliveries, metadata


def found(book: Logbook, **asked: Any) -> list[str]:
    """Return the event ids that a search finds."""
    with book.store.reading() as connection:
        page = log_search.find(connection, Search("acme", **asked), limit=250)
        assert page.next is None
        return [row.event_id for row in page.rows]


def test_search_finds_what_fits_all_of_it_newest_first(book: Logbook) -> None:
    book.write(*ROWS)
    for asked, events in SEARCHED:
        assert found(book, **asked) == list(events), asked


def test_webhook_of_another_organization_shows_nothing(book: Logbook) -> None:
    """Neither rows nor, by a page that goes on, that there are some."""
    foreign = [delivery(number, organization="rival", subscription_id=OTHER_HOOK) for number in range(10)]
    book.write(*foreign, *(dead(number, organization="rival") for number in range(10)))
    searches = (
        Search("acme", webhook_id=OTHER_HOOK, http_status=200),
        Search("acme", webhook_id=delivery(0)["subscription_id"], status="dead", reason="exhausted"),
    )
    with book.store.reading() as connection:
        for search in searches:
            assert log_search.find(connection, search, limit=5, sieved_max=3) == Page([], None)


def test_page_stops_after_so_many_rows_and_says_where(book: Logbook) -> None:
    book.write(*(delivery(number) for number in range(9)), dead(9))
    search, after, pages = Search("acme", reason="exhausted"), None, []
    with book.store.reading() as connection:
        while True:
            page = log_search.find(connection, search, after=after, limit=2, sieved_max=4)
            pages.append([row.event_id for row in page.rows])
            after = page.next
            if after is None:
                break
    assert pages == [[], [], ["9"]]


_INDEXES: dict[str, list[dict[str, Any]]] = {
    "ix_deliveries_organization_created_at_delivery_id": [
        {},
        {"since": 1, "until": 2},
        {"status": "delivered"},
        {"reason": "gone"},
        {"fault": "tocsin", "http_status": 500, "text": "x"},
    ],
    "ix_deliveries_organization_event_type_created_at_delivery_id": [
        {"event_type": "pass"},
        {"event_type": "pass", "status": "delivered", "text": "x"},
    ],
    "ix_deliveries_subscription_id_created_at_delivery_id": [
        {"webhook_id": "wh"},
        {"webhook_id": "wh", "event_type": "pass"},
        {"webhook_id": "wh", "status": "delivered", "since": 1},
    ],
    "ix_deliveries_undelivered": [
        {"status": "pending"},
        {"status": "dead", "event_type": "pass"},
        {"status": "dead", "reason": "gone", "text": "x", "since": 1},
    ],
    "ix_deliveries_oldest": [
        {"status": "dead", "webhook_id": "wh"},
        {"status": "retrying", "webhook_id": "wh", "event_type": "pass", "until": 2},
    ],
}


@pytest.mark.parametrize(
    ("index", "asked"), [(index, asked) for index, each in _INDEXES.items() for asked in each]
)
@pytest.mark.parametrize("after", [None, (5, "x")])
def test_search_walks_down_the_index_it_means(
    book: Logbook, index: str, asked: dict[str, Any], after: Position | None
) -> None:
    search = Search("acme", **asked)
    with book.store.reading() as connection:
        for query in (
            log_search.rows(search, after, (1, "x"), 250),
            log_search.floor(search, after, 20),
        ):
            if query is not None:
                assert plan(connection, query) == [index]


_SEARCHES = st.builds(
    Search,
    st.just("acme"),
    webhook_id=st.sampled_from((None, None, "wh_a", "wh_b")),
    event_type=st.sampled_from((None, None, "x")),
    status=st.sampled_from((None, None, "dead", "delivered")),
    reason=st.sampled_from((None, None, "gone")),
    since=st.sampled_from((None, None, 3)),
)
_ADDED = st.lists(
    st.fixed_dictionaries(
        {
            "organization": st.sampled_from(("acme", "acme", "rival")),
            "subscription_id": st.sampled_from(("wh_a", "wh_b")),
            "event_type": st.sampled_from(("x", "y")),
            "status": st.sampled_from(("dead", "delivered")),
            "reason": st.sampled_from((None, "gone")),
            "created_at": st.integers(0, 6),
        }
    ),
    max_size=6,
)


@pytest.fixture(scope="module")
def memory() -> Iterator[Connection]:
    """A log in memory, for many small worlds one after the other."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        metadata.create_all(connection)
        yield connection
    engine.dispose()


@settings(deadline=None)
@given(
    search=_SEARCHES,
    rows=st.lists(_ADDED, min_size=1, max_size=12),
    limit=st.integers(1, 3),
    sieved_max=st.integers(1, 4),
)
def test_pages_are_complete_and_without_repeats_while_rows_are_added(
    memory: Connection, search: Search, rows: list[list[dict[str, Any]]], limit: int, sieved_max: int
) -> None:
    memory.execute(delete(deliveries))
    first, *later = rows
    kept = [add(memory, number, row) for number, row in enumerate(first)]
    seen: list[tuple[int, str]] = []
    after: Position | None = None
    while True:
        page = log_search.find(memory, search, after=after, limit=limit, sieved_max=sieved_max)
        assert len(page.rows) <= limit
        assert page.next is None or after is None or page.next < after, "a page that does not go on"
        seen += [(row.created_at, row.delivery_id) for row in page.rows]
        after = page.next
        if after is None:
            break
        for row in later.pop() if later else ():
            kept.append(add(memory, len(kept), row))
    assert seen == sorted(set(seen), reverse=True)
    at_first = [place for place, row in kept[: len(first)] if fits(search, row)]
    at_last = [place for place, row in kept if fits(search, row)]
    assert set(at_first) <= set(seen) <= set(at_last)


def add(memory: Connection, number: int, changes: dict[str, Any]) -> tuple[tuple[int, str], dict[str, Any]]:
    row = delivery(number, **changes) | {"delivery_id": f"{number:02}"}
    row.pop("table")
    memory.execute(insert(deliveries).values(row))
    return (row["created_at"], row["delivery_id"]), row


def fits(search: Search, row: dict[str, Any]) -> bool:
    asked = {"organization": "organization", "webhook_id": "subscription_id"}
    same = {each.name: asked.get(each.name, each.name) for each in fields(search)}
    plain = replace(search, since=None)
    return (search.since is None or row["created_at"] >= search.since) and all(
        getattr(plain, name) in (None, row[column]) for name, column in same.items() if column in row
    )


def test_ids_of_deliveries_are_as_the_log_has_them() -> None:
    assert len({delivery_id(1), delivery_id(2), delivery_id(1, OTHER_HOOK)}) == 3
