"""Crashes whose story is not that of deliveries on their way: the gateway's and the ledger's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import httpx
from sqlalchemy import func, select

from tests.harness.crash import await_death, doomed, hasten
from tests.harness.installation import Installation, header
from tests.harness.logbook import Scribe, attempt, count, delivery, log_of
from tests.harness.postgres import postgres
from tests.harness.posting import event, post, publishers_key, stored_ids
from tests.harness.waiting import until
from tocsin.kafka.writer import Outgoing
from tocsin.ledger.store import Store
from tocsin.ledger.tables import attempts, deliveries, minutes

WITHIN_S = 30.0


def crash_gateway(own: Installation, point: str, hit: int) -> None:
    """What was answered with 202 is in the log, and so is what its caller was not told of; that is sent again."""
    victim = doomed(own, "gateway", point, hit)
    key = publishers_key(own)
    wanted = [f"e-{number}" for number in range(2 * hit)]
    accepted: list[str] = []

    def publish(event_id: str) -> None:
        with suppress(httpx.TransportError):
            if post(own, key, event(event_id)).status_code == 202:
                accepted.append(event_id)

    with ThreadPoolExecutor(8) as posters:
        list(posters.map(publish, wanted))
    await_death(victim)
    assert 0 < len(accepted) < hit
    stored = stored_ids(own)
    assert set(accepted) < set(stored)
    assert len(stored) >= hit
    own.another("gateway")
    publishers_key(own)
    with ThreadPoolExecutor(8) as posters:
        list(posters.map(publish, sorted(set(wanted) - set(accepted))))
    assert set(accepted) == set(wanted) == set(stored_ids(own))


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
