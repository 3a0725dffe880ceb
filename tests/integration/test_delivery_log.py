"""The delivery log's store, on both databases: exact whatever repeats, refusing what is not its version."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from consumers.ledger.batch import Entry, Tried
from consumers.ledger.health import Change, Policy
from consumers.ledger.projector import Announce, Overtaken, Projector
from consumers.ledger.retention import AT_ONCE, Retention
from consumers.ledger.sole import sole
from tests.harness.logbook import ATTEMPTS, NOW_MS, attempt, batch, delivery, told, tried
from tests.harness.postgres import Postgres
from tocsin.deliveries import Verdict
from tocsin.errors import ConfigurationError, KafkaUnavailable, LedgerUnavailable
from tocsin.kafka.reader import Part
from tocsin.ledger import migrating
from tocsin.ledger import store as store_module
from tocsin.ledger.store import REVISION, Store, delay_ms
from tocsin.ledger.tables import attempts, deliveries, health, metadata, minutes, positions

DAY_MS: Final = 86_400_000
GOING_ON: Final[tuple[Verdict, ...]] = ("retry", "parked", "interrupted")
LAST: Final[tuple[Verdict, ...]] = ("delivered", "dead_letter", "retry")
POLICY: Final = Policy({"governlayer": 2}, 1 << 60)


def projector(store: Store, announce: Announce = lambda changes: True) -> Projector:
    """Return a projector of a store whose only partition has a position."""
    made = Projector(store, POLICY, announce)
    made.place({ATTEMPTS: (None, 0)})
    return made


def content(store: Store) -> dict[str, list[Any]]:
    """Return everything in a store but the positions."""
    with store.changing() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in (deliveries, attempts, minutes, health)
        }


@contextmanager
def reading(store: Store) -> Iterator[Store]:
    """Open a store as the control API does."""
    opened = Store(SecretStr(store.engine.url.render_as_string(hide_password=False)))
    try:
        yield opened
    finally:
        opened.close()


def emptied(store: Store) -> Projector:
    """Return a projector of a store that holds nothing any more."""
    with store.changing() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    return projector(store)


def test_migrations_lead_to_the_tables_that_the_code_knows(store: Store) -> None:
    assert migrating.newest() == REVISION
    with store.changing() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrating.upgrade(store)


def test_one_of_several_upgrades_at_once_makes_the_tables(database_server: Postgres) -> None:
    url = database_server.database()
    stores = [Store(SecretStr(url), writing=True) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(migrating.upgrade, stores)) == [None] * 3
    for each in stores:
        each.close()


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    """Return deliveries and what was decided about them, in an order that topics allow, some attempts twice."""
    lines: list[list[Entry]] = []
    for number in range(draw(st.integers(1, 4))):
        made = delivery(f"e{number}", f"wh_{number % 2}")
        verdicts = [*draw(st.lists(st.sampled_from(GOING_ON), max_size=3)), draw(st.sampled_from(LAST))]
        tries = [
            tried(attempt(made, verdict, step=step, tier="5s", started_at=NOW_MS + 1000 * step))
            for step, verdict in enumerate(verdicts)
        ]
        lines += [[told(made)], [each for each in tries for _ in range(draw(st.integers(1, 2)))]]
    mixed: list[Entry] = []
    while lines := [line for line in lines if line]:
        mixed.append(draw(st.sampled_from(lines)).pop(0))
    at = iter(range(len(mixed)))
    return [
        each._replace(at_ms=NOW_MS + 20_000 * (n := next(at)), offset=n)
        if isinstance(each, Tried)
        else each._replace(at_ms=NOW_MS + 20_000 * next(at))
        for each in mixed
    ]


@given(history=histories(), seed=st.integers(0, 1 << 32))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_log_is_exact_and_the_same_however_the_topics_were_cut_into_batches(
    store: Store, history: list[Entry], seed: int
) -> None:
    """Each try counts once, though it may stand in the log twice."""
    emptied(store).project(batch(history))
    whole = content(store)
    chance, cut = random.Random(seed), emptied(store)
    begin = 0
    while begin < len(history):
        size = chance.randint(1, len(history) - begin)
        cut.project(batch(history[begin : begin + size], begin))
        begin += size
    assert content(store) == whole
    assert cut.positions() == {ATTEMPTS: len(history)}
    _check(store, history)


def _check(store: Store, history: Sequence[Entry]) -> None:
    tries = {entry.identity: entry.fields for entry in reversed(history) if isinstance(entry, Tried)}
    with store.changing() as connection:
        rows = {row.delivery_id: row for row in connection.execute(select(deliveries))}
        kept = {
            (row.delivery_id, row.run, row.step): row.verdict for row in connection.execute(select(attempts))
        }
        counted = sum((Counter(row._asdict()) for row in _counts(connection)), Counter[str]())
    assert kept == {key: fields["verdict"] for key, fields in tries.items()}
    posted = Counter(key[0] for key, fields in tries.items() if fields["posted"])
    assert {key: row.attempts for key, row in rows.items()} == {key: posted[key] for key in rows}
    assert all(row.body is not None for row in rows.values())
    verdicts = Counter(fields["verdict"] for fields in tries.values())
    assert counted["delivered"] == verdicts["delivered"]
    assert counted["failed"] == verdicts["retry"] + verdicts["dead_letter"]
    assert (counted["dead"], counted["parked"]) == (verdicts["dead_letter"], verdicts["parked"])


def _counts(connection: Any) -> Any:
    return connection.execute(select(minutes.c.delivered, minutes.c.failed, minutes.c.dead, minutes.c.parked))


def test_batch_is_not_written_where_another_has_gone_on(store: Store) -> None:
    """A process that was frozen while its partition went to another one finds out before it writes anything."""
    ours, theirs = projector(store), Projector(store, POLICY, lambda changes: True)
    theirs.place({ATTEMPTS: (None, 7)})
    stale = batch([tried(attempt(delivery("a")))])
    theirs.project(stale)
    before = content(store)
    with pytest.raises(Overtaken):
        ours.project(stale)
    with pytest.raises(Overtaken):
        ours.project(batch([tried(attempt(delivery("b")))], begin=9))
    ours.place({ATTEMPTS: (0, 0)})
    assert (content(store), ours.positions()) == (before, {ATTEMPTS: 1})


def test_nothing_is_written_before_what_follows_is_announced(store: Store) -> None:
    told_of: list[Change] = []

    def announce(changes: Sequence[Change]) -> bool:
        told_of.extend(changes)
        return len(told_of) > 1

    ledger = projector(store, announce)
    failing = [
        tried(attempt(delivery(f"e{n}"), "retry", started_at=NOW_MS + 1000 * n), offset=n) for n in range(2)
    ]
    with pytest.raises(KafkaUnavailable):
        ledger.project(batch(failing))
    assert (content(store)["attempts"], ledger.positions()) == ([], {ATTEMPTS: 0})
    ledger.project(batch(failing))
    assert told_of[0] == told_of[1]
    assert [row[0] for row in content(store)["health"]] == ["wh_1"]


def test_log_is_as_far_behind_as_its_slowest_partition(store: Store) -> None:
    ledger, other = projector(store), Part("tocsin.attempts", 1)
    ledger.place({other: (None, 5)})
    ledger.project(batch([tried(attempt(delivery("a")))]))
    with store.changing() as connection:
        assert delay_ms(connection, NOW_MS) is None
    ledger.seen({other: 5}, NOW_MS - 400)
    ledger.seen({ATTEMPTS: 0}, NOW_MS - 9000)
    with store.changing() as connection:
        assert delay_ms(connection, NOW_MS + 100) == 500


def test_what_is_too_old_is_deleted_a_little_at_a_time(store: Store) -> None:
    ledger, retention = projector(store), Retention(store, days=2)
    old = [delivery(f"old{n}") for n in range(AT_ONCE + 1)]
    entries: list[Entry] = [tried(attempt(each), NOW_MS - 3 * DAY_MS, offset=n) for n, each in enumerate(old)]
    resent, fresh = delivery("resent"), delivery("fresh")
    entries += [
        told(resent, NOW_MS - 3 * DAY_MS),
        tried(attempt(resent, run="resend"), NOW_MS),
        tried(attempt(fresh), NOW_MS),
    ]
    ledger.project(batch(entries))
    assert [retention.turn(NOW_MS) for _ in range(3)] == [True, False, False]
    kept = content(store)
    assert {row[0] for row in kept["deliveries"]} == {resent.delivery_id, fresh.delivery_id}
    assert {row[0] for row in kept["attempts"]} == {resent.delivery_id, fresh.delivery_id}
    assert {row[2] for row in kept["minutes"]} == {NOW_MS - NOW_MS % 60_000}


def test_store_of_another_version_is_refused_with_the_remedy(store: Store) -> None:
    with reading(store) as reader:
        reader.check()
    for version, remedy in (
        ("0000", "start the ledger of this version"),
        ("9999", "start the newer version"),
    ):
        with store.changing() as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{version}'"))
        with reading(store) as reader, pytest.raises(LedgerUnavailable, match=remedy):
            reader.check()
    with pytest.raises(ConfigurationError, match="of version 9999"):
        migrating.upgrade(store)
    migrating.make_anew(store)
    with reading(store) as reader:
        reader.check()


def test_reader_can_change_nothing_and_no_query_holds_it_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "QUERY_TIMEOUT_S", 0.1)
    endless = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
    with reading(store) as reader:
        with pytest.raises(LedgerUnavailable), reader.reading() as connection:
            connection.execute(endless)
        with pytest.raises((LedgerUnavailable, SQLAlchemyError)), reader.reading() as connection:
            connection.execute(positions.delete())


def test_reader_says_that_there_is_no_log_yet(tmp_path: Path, database_server: Postgres) -> None:
    for url in (f"sqlite:///{tmp_path}/none.db", database_server.database()):
        opened = Store(SecretStr(url))
        with pytest.raises(LedgerUnavailable, match=r"python -m consumers\.ledger"):
            opened.check()
        opened.close()
    assert not list(tmp_path.iterdir())


def test_store_is_read_while_it_is_written(store: Store) -> None:
    with reading(store) as reader, store.changing() as writing, reader.reading() as connection:
        writing.execute(positions.insert().values(topic="t", partition=0, next_offset=1, seen_at=1))
        assert connection.execute(select(positions)).all() == []


@pytest.mark.parametrize("url", ["mysql://u:geheim@host/x", "geheim", "postgresql://u:geheim@host:port/x"])
def test_malformed_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="TOCSIN_LEDGER") as refusal:
        Store(SecretStr(url))
    assert "geheim" not in str(refusal.value)


def test_server_that_does_not_answer_is_told_of_without_its_password() -> None:
    absent = Store(SecretStr("postgresql://u:geheim@/x?host=/nowhere"))
    with pytest.raises(LedgerUnavailable) as refusal:
        absent.check()
    assert "geheim" not in str(refusal.value)
    assert str(absent) == "postgresql+psycopg://u:***@/x?host=%2Fnowhere"


def test_sqlite_takes_one_ledger_and_names_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "new" / "ledger.db"
    with sole(None), sole(file), pytest.raises(ConfigurationError, match="postgresql://"), sole(file):
        pass
    with sole(file):
        assert os.listdir(file.parent) == ["ledger.db.lock"]
