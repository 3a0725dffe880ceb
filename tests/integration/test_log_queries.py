"""The API's questions to the delivery log, on both databases: the same answers, each found by an index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import insert, text

from control import log_counts, log_search, replay_preview
from control.log_search import Search
from control.replay_preview import Meant
from tests.unit.control.log_world import HOOK, ROWS, SEARCHED, dead, plan
from tests.unit.control.world import NOW_MS
from tocsin.ledger.store import Store
from tocsin.ledger.tables import deliveries
from tocsin.purges import Purge
from tocsin.selection import Selection
from tocsin.wire.systems import load_systems

MANY = 20_000
"""Enough for PostgreSQL to prefer an index to reading everything."""

SYSTEMS = load_systems()
STRUCK = [
    Purge("prg-1", Selection(subscription_id=HOOK, event_type="drift.*", error_text="x"), {}, NOW_MS),
    Purge("prg-2", Selection(organization="acme", reason="gone", until=1), {}, NOW_MS),
]
SIEVED = 500
_AFTER, _DOWN_TO = (NOW_MS, "x"), (NOW_MS - 1000 * SIEVED, "x")


def test_search_finds_the_same_in_both_databases(store: Store) -> None:
    rows = [{name: value for name, value in row.items() if name != "table"} for row in ROWS]
    with store.changing() as connection:
        connection.execute(insert(deliveries), rows)
        for asked, events in SEARCHED:
            page = log_search.find(connection, Search("acme", **asked), limit=250)
            assert [row.event_id for row in page.rows] == list(events), asked
        first = log_search.find(
            connection, Search("acme", status="dead", reason="overloaded"), limit=1, sieved_max=1
        )
        assert (first.rows, first.next) == ([], (NOW_MS - 6000, ROWS[5]["delivery_id"]))
        selection = Selection(organization="acme", event_type="drift.*", http_status=500, error_text="HTTP")
        meant = Meant(replace(selection, event_type="drift.alert"), SYSTEMS)
        sample = connection.execute(replay_preview.sample(meant)).all()
        assert [row.event_id for row in sample] == ["8"]
        struck = [Purge("prg-1", Selection(reason="nothing", error_text="x", event_type="p*"), {}, NOW_MS)]
        assert len(connection.execute(replay_preview.causes(replace(meant, struck=struck))).all()) == 1
        struck.append(Purge("prg-2", Selection(event_type="drift.*"), {}, NOW_MS))
        assert connection.execute(replay_preview.causes(replace(meant, struck=struck))).all() == []
        counted = connection.execute(log_counts.reasons("acme")).all()
        assert {row.reason: row.number for row in counted} == {"exhausted": 2, "overloaded": 1}


def test_every_question_is_answered_by_an_index_however_much_there_is(store: Store) -> None:
    with store.changing() as connection:
        fill(connection)
        for query in questions():
            if connection.dialect.name == "sqlite":
                assert not [step for step in plan(connection, query) if step.startswith("SCAN deliveries")]
            else:
                compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
                (found,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}").scalars()
                nodes = list(walk(found[0]["Plan"]))
                assert "Seq Scan" not in nodes, (str(compiled), nodes)


def questions() -> Iterator[Any]:
    """Yield every query that a request may lead to."""
    searches = (
        Search("acme"),
        Search("acme", webhook_id=HOOK),
        Search("acme", event_type="pass"),
        Search("acme", webhook_id=HOOK, event_type="pass"),
        Search("acme", status="dead"),
        Search("acme", status="dead", webhook_id=HOOK),
        Search("acme", status="delivered", since=1),
        Search("acme", reason="gone", fault="tocsin", http_status=500, text="x", until=NOW_MS),
    )
    for search in searches:
        for after in (None, _AFTER):
            floor = log_search.floor(search, after, SIEVED)
            if floor is not None:
                yield floor
            yield log_search.rows(search, after, _DOWN_TO if floor is not None else None, 250)
    for webhook in (None, HOOK):
        selection = Selection(organization="acme", subscription_id=webhook, reason="gone", since=1)
        meant = Meant(replace(selection, event_type="pass"), SYSTEMS, STRUCK)
        yield replay_preview.sample(meant)
        yield replay_preview.causes(meant)
    yield log_counts.oldest(HOOK, "pending")
    yield log_counts.waiting("acme", "retrying")
    yield log_counts.reasons("acme", replay_preview.spared("acme", STRUCK, SYSTEMS))


def fill(connection: Any) -> None:
    """Write many deliveries of several organizations, one in a hundred of them dead."""
    row = {name: value for name, value in dead(0).items() if name != "table"}
    numbers = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many) "
        "INSERT INTO deliveries (delivery_id, organization, subscription_id, system, event_id, event_source, "
        "event_type, test, created_at, status, run, step, attempts, reason) "
        "SELECT 'd' || i, CASE WHEN i % 4 = 0 THEN 'rival' ELSE 'acme' END, "
        "CASE WHEN i % 3 = 0 THEN :hook ELSE 'wh_' || (i % 50) END, 'alpha', 'e' || i, '/test', "
        "CASE WHEN i % 5 = 0 THEN 'pass' ELSE 'drift.alert' END, :test, :now - 1000 * i, "
        "CASE WHEN i % 100 = 0 THEN 'dead' ELSE 'delivered' END, '0', 0, 1, NULL FROM n"
    )
    connection.execute(text(numbers), {"many": MANY, "hook": HOOK, "now": row["created_at"], "test": False})
    connection.execute(text("ANALYZE"))


def walk(node: dict[str, Any]) -> Iterator[str]:
    """Yield the types of a plan's nodes."""
    yield node["Node Type"]
    for each in node.get("Plans", ()):
        yield from walk(each)
