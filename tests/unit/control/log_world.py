"""A delivery log as a SQLite file, with rows written by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import Connection, insert

from tests.unit.control.world import NOW_MS
from tocsin import deliveries as delivery_values
from tocsin.ledger.migrating import upgrade
from tocsin.ledger.store import Store
from tocsin.ledger.tables import attempts, deliveries, health, minutes

HOOK: Final = "wh_" + "1" * 24
OTHER_HOOK: Final = "wh_" + "2" * 24


def make_template(file: Path) -> Path:
    """Make an empty log, for `Logbook` to copy."""
    store = Store(_address(file), writing=True)
    upgrade(store)
    store.close()
    return file


class Logbook:
    """One log; the writer's side of it, and `store`, the readers'."""

    def __init__(self, template: Path, file: Path) -> None:
        shutil.copy(template, file)
        self.writer = Store(_address(file), writing=True)
        self.store = Store(_address(file))

    def write(self, *rows: Mapping[str, Any]) -> None:
        """Write rows as `delivery`, `tried`, `counted` and `known` make them."""
        with self.writer.changing() as connection:
            for row in rows:
                values = dict(row)
                connection.execute(insert(_TABLES[values.pop("table")]).values(values))

    def close(self) -> None:
        self.writer.close()
        self.store.close()


@contextmanager
def logbook(template: Path, file: Path) -> Iterator[Logbook]:
    """Open a log, and close it."""
    made = Logbook(template, file)
    try:
        yield made
    finally:
        made.close()


def delivery_id(number: int, webhook_id: str = HOOK) -> str:
    """Return the id of the n-th delivery."""
    return str(delivery_values.delivery_id("/test", "pass", str(number), webhook_id))


def delivery(number: int, **changes: Any) -> dict[str, Any]:
    """Return the n-th delivery, created n seconds before now: delivered at once unless `changes` say otherwise."""
    webhook_id = changes.get("subscription_id", HOOK)
    return {
        "table": "deliveries",
        "delivery_id": delivery_id(number, webhook_id),
        "organization": "acme",
        "subscription_id": webhook_id,
        "system": "alpha",
        "format": None,
        "event_id": str(number),
        "event_source": "/test",
        "event_type": "pass",
        "event_time": NOW_MS - 1000 * number,
        "content_type": "application/json",
        "headers": [["X-Event", "pass"]],
        "body": b'{"type":"pass"}',
        "test": False,
        "created_at": NOW_MS - 1000 * number,
        "status": "delivered",
        "run": "0",
        "step": 0,
        "attempts": 1,
        "last_status": 200,
        "last_error": None,
        "reason": None,
        "fault": None,
        "next_at": None,
        "decided_at": NOW_MS - 1000 * number + 5,
        "decided_offset": number,
        **changes,
    }


def dead(number: int, **changes: Any) -> dict[str, Any]:
    """Return the n-th delivery, as a dead letter."""
    told = {"status": "dead", "attempts": 6, "last_status": 500, "last_error": "HTTP 500"}
    return delivery(number, **{**told, "reason": "exhausted", "fault": "subscriber", **changes})


def tried(number: int, **changes: Any) -> dict[str, Any]:
    """Return an attempt of the n-th delivery: delivered at once unless `changes` say otherwise."""
    webhook_id = changes.get("subscription_id", HOOK)
    return {
        "table": "attempts",
        "delivery_id": delivery_id(number, webhook_id),
        "run": "0",
        "step": 0,
        "organization": "acme",
        "subscription_id": webhook_id,
        "generation": 1,
        "attempt": 1,
        "verdict": "delivered",
        "reason": None,
        "fault": None,
        "started_at": NOW_MS - 1000 * number,
        "duration_ms": 12.5,
        "posted": True,
        "url": "https://example.com/hook",
        "status": 200,
        "error": None,
        "request_headers": {"content-type": "application/json", "X-Event": "pass", "X-Signature": "ab12"},
        "response_headers": {"server": "test"},
        "response_body": b"ok",
        "next_tier": None,
        "remaining_s": 0,
        **changes,
    }


def counted(minutes_ago: int, **counts: Any) -> dict[str, Any]:
    """Return the counts of a minute; none but those in `counts`."""
    return {
        "table": "minutes",
        "organization": "acme",
        "subscription_id": HOOK,
        "minute": NOW_MS - NOW_MS % 60_000 - 60_000 * minutes_ago,
        "delivered": 0,
        "failed": 0,
        "dead": 0,
        "parked": 0,
        **counts,
    }


def known(**fields: Any) -> dict[str, Any]:
    """Return what the ledger knows of an endpoint's health."""
    return {
        "table": "health",
        "subscription_id": HOOK,
        "organization": "acme",
        "generation": 1,
        "consecutive_failures": 0,
        **fields,
    }


def _address(file: Path) -> SecretStr:
    return SecretStr(f"sqlite:///{file}")


_TABLES: Final = {each.name: each for each in (deliveries, attempts, minutes, health)}

_ERROR = "Connection refused: 100%_\\"
ROWS = (
    delivery(1),
    delivery(2, event_type="drift.alert"),
    delivery(3, subscription_id=OTHER_HOOK),
    delivery(4, status="pending", attempts=0, last_status=None),
    delivery(5, status="retrying", last_status=503, last_error="HTTP 503", fault="subscriber"),
    dead(6),
    dead(7, reason="overloaded", fault="tocsin", last_status=None, last_error=_ERROR),
    dead(8, subscription_id=OTHER_HOOK, event_type="drift.alert"),
    delivery(9, organization="rival"),
    dead(10, organization="rival"),
)
SEARCHED: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "12345678"),
    ({"webhook_id": OTHER_HOOK}, "38"),
    ({"event_type": "drift.alert"}, "28"),
    ({"event_type": "drift.alert", "webhook_id": OTHER_HOOK}, "8"),
    ({"event_type": "drift.alert", "status": "dead"}, "8"),
    ({"status": "pending"}, "4"),
    ({"status": "retrying"}, "5"),
    ({"status": "delivered"}, "123"),
    ({"status": "dead"}, "678"),
    ({"status": "dead", "webhook_id": OTHER_HOOK}, "8"),
    ({"status": "delivered", "webhook_id": OTHER_HOOK}, "3"),
    ({"reason": "overloaded"}, "7"),
    ({"fault": "tocsin"}, "7"),
    ({"fault": "subscriber"}, "568"),
    ({"http_status": 200}, "123"),
    ({"http_status": 500, "event_type": "drift.alert"}, "8"),
    ({"text": "REFUSED"}, "7"),
    ({"text": "100%_"}, "7"),
    ({"text": "%"}, "7"),
    ({"text": "_"}, "7"),
    ({"text": "\\"}, "7"),
    ({"text": "1__%"}, ""),
    ({"since": NOW_MS - 3000}, "123"),
    ({"until": NOW_MS - 3000}, "45678"),
    ({"since": NOW_MS - 7000, "until": NOW_MS - 5000, "status": "dead"}, "67"),
    ({"webhook_id": "wh_none"}, ""),
)
"""What is asked, and the ids of the events that are found among `ROWS`."""


def plan(connection: Connection, query: Any) -> list[str]:
    """Return the indexes that SQLite searches for a query; a scan or a sort of everything stands there as it is."""
    compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
    steps = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")]
    used = []
    for step in steps:
        if step.startswith("SEARCH"):
            used.append(step.partition("INDEX ")[2].split(" ")[0])
        elif "LAST TERM OF ORDER BY" not in step and "RIGHT PART OF ORDER BY" not in step:
            used.append(step)
    return used
