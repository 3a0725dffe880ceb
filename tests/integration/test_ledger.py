"""The ledger as a program, on a real Kafka: exact through crashes and rebuilds, and never in the way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from consumers.ledger.rebuild import refuse_while_running
from deploy.local.settings import CHECKOUT
from tests.harness.crash import await_death, doomed, hasten
from tests.harness.installation import Installation, header
from tests.harness.logbook import Scribe, attempt, delivery
from tests.harness.postgres import postgres
from tests.harness.waiting import until
from tocsin.deliveries import Progress
from tocsin.errors import ConfigurationError, LedgerUnavailable
from tocsin.kafka.writer import Outgoing
from tocsin.ledger.store import Store, delay_ms
from tocsin.ledger.tables import attempts, deliveries, health, minutes

WITHIN_S = 30.0


@contextmanager
def log_of(own: Installation, url: str | None = None) -> Iterator[Store]:
    """Open an installation's delivery log as the control API does."""
    opened = Store(SecretStr(url) if url is not None else own.settings.ledger)
    try:
        yield opened
    finally:
        opened.close()


def count(store: Store, table: Any, *where: Any) -> int:
    """Return how many rows there are; none while there is no log."""
    try:
        with store.reading() as connection:
            return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()
    except LedgerUnavailable:
        return 0


def content(store: Store) -> dict[str, list[Any]]:
    """Return everything in a log that does not depend on the order in which its topics were read."""
    columns = [column for column in deliveries.columns if column.name != "created_at"]
    queries = {"deliveries": select(*columns)} | {
        each.name: select(each) for each in (attempts, minutes, health)
    }
    with store.reading() as connection:
        return {
            name: sorted(map(tuple, connection.execute(query)), key=repr) for name, query in queries.items()
        }


def _counted(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.sum(minutes.c.delivered))).scalar() or 0)


def crash_ledger(own: Installation, point: str, hit: int) -> None:
    """On PostgreSQL: one ledger dies, two go on; no try counts twice, and what cannot be read holds nothing up."""
    hasten(own, "ledger")
    scribe = Scribe(own.registry, own.topics)
    made = [delivery(f"e{n}", f"wh_{n % 8}") for n in range(120)]
    with postgres() as server:
        own.fleet.environment = {**own.fleet.environment, "TOCSIN_LEDGER": server.database()}
        victim = doomed(own, "ledger", point, hit)
        with log_of(own, own.fleet.environment["TOCSIN_LEDGER"]) as log:
            own.write(*scribe.all(made[:40]))
            until(lambda: count(log, attempts) > 0, WITHIN_S, "nothing is projected")
            own.write(Outgoing(own.topics.attempts, b"wh_1", b"poison"), *scribe.all(made[40:80]))
            await_death(victim)
            own.another("ledger")
            own.another("ledger")
            nul = replace(made[0], delivery_id="nul", event_id="a\0b")
            own.write(*scribe.all(made[80:]), scribe.tried(attempt(nul)), scribe.tried(attempt(made[3])))
            until(lambda: count(log, attempts) == 121, WITHIN_S, "attempts are missing")
            whole = deliveries.c.body.is_not(None)
            until(lambda: count(log, deliveries, whole) == 120, WITHIN_S, "bodies are missing")
            assert _counted(log) == 121
            with log.reading() as connection:
                cleaned = connection.execute(
                    select(deliveries.c.event_id).filter_by(delivery_id="nul")
                ).scalar()
            assert cleaned == "a\N{REPLACEMENT CHARACTER}b"
            (set_aside,) = own.wait_for(own.topics.quarantine, lambda message: True)
            assert header(set_aside, "tocsin_reason") == "unknown magic byte 0x70"
        own.fleet.stop()


def test_log_is_rebuilt_as_it_was_and_announces_nothing_again(own: Installation) -> None:
    scribe = Scribe(own.registry, own.topics)
    gone, made = delivery("gone", "wh_gone"), [delivery(f"e{n}", f"wh_{n % 5}") for n in range(50)]
    recovered, due = delivery("recovered"), delivery("due")
    own.write(
        *scribe.all(made),
        scribe.tried(attempt(gone, "dead_letter", status=410)),
        scribe.told(recovered, Progress(run="rcv-1"), live=False),
        scribe.told(due, Progress(step=1, attempt=1), live=False),
    )
    own.start("ledger")
    with log_of(own) as log:
        until(lambda: count(log, deliveries) == 52, WITHIN_S, "deliveries are missing")
        until(lambda: _is_up_to_date(log), WITHIN_S, "it does not see that there is no more")
        before = content(log)
        assert [row[1:] for row in before["deliveries"] if row[0] == due.delivery_id] == []
        assert len(own.wait_for(own.topics.health, lambda message: True)) == 1
        with pytest.raises(ConfigurationError, match="stop every ledger first"):
            refuse_while_running(own.settings, own.topics.group("ledger"))
        own.fleet.stop()
        rebuilt = _rebuild(own)
        assert rebuilt.returncode == 0, rebuilt.stderr
        assert content(log) == before
        assert len(own.read(own.topics.health)) == 1


def _is_up_to_date(log: Store) -> bool:
    with log.reading() as connection:
        delay = delay_ms(connection, time.time_ns() // 1_000_000)
    return delay is not None and delay < 3_000


def _rebuild(own: Installation) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "consumers.ledger", "rebuild"],
        env=dict(own.fleet.programs[0].environment),
        cwd=CHECKOUT,
        capture_output=True,
        timeout=60,
        check=False,
    )
