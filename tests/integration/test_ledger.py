"""The ledger as a program, on a real Kafka: exact through crashes and rebuilds, and never in the way."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
from sqlalchemy import select

from consumers.ledger.rebuild import refuse_while_running
from deploy.local.settings import CHECKOUT
from tests.harness.installation import Installation
from tests.harness.logbook import Scribe, attempt, count, delivery, log_of
from tests.harness.waiting import until
from tocsin.deliveries import Progress
from tocsin.errors import ConfigurationError
from tocsin.ledger.store import Store, delay_ms
from tocsin.ledger.tables import attempts, deliveries, health, minutes

WITHIN_S = 30.0


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
