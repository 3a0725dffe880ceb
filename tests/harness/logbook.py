"""Deliveries and the decisions about them, as records that the ledger reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pydantic import SecretStr
from sqlalchemy import func, select

from consumers.ledger.batch import Batch, Entry, Taken, Told, Tried
from tests.harness.installation import Installation
from tocsin import deliveries
from tocsin.deliveries import Attempt, Decision, Delivery, Progress, Source, Verdict
from tocsin.errors import LedgerUnavailable
from tocsin.kafka import pipeline
from tocsin.kafka.reader import Part, Record
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing
from tocsin.ledger.store import Store

ATTEMPTS = Part("tocsin.attempts", 0)
NOW_MS = 1_790_000_000_000


def delivery(name: str, subscription: str = "wh_1", **changes: Any) -> Delivery:
    """Return the delivery of an event named `name`; `changes` are its fields."""
    made = Delivery(
        delivery_id=str(deliveries.delivery_id("/test", "drift.alert", name, subscription)),
        organization="acme",
        subscription_id=subscription,
        subscription_offset=0,
        system="governlayer",
        format=None,
        event_id=name,
        event_source="/test",
        event_type="drift.alert",
        event_time=NOW_MS,
        content_type="application/json",
        headers=(("User-Agent", "test"), ("X-Event", name)),
        body=b'{"id":"%s"}' % name.encode(),
    )
    return replace(made, **changes)


def attempt(
    of: Delivery,
    verdict: Verdict = "delivered",
    *,
    run: str = deliveries.LIVE_RUN,
    step: int = 0,
    earlier: int = 0,
    tier: str | None = None,
    remaining_s: int = 0,
    **changes: Any,
) -> Attempt:
    """Return what was decided about a try; `changes` are fields of the attempt.

    Args:
        of: What was tried.
        earlier: POSTs of the run before this one.
        tier: Where it waits now, when it waits.
        remaining_s: Seconds still to wait after that.
    """
    progress = Progress(run=run, step=step, attempt=earlier)
    failed = verdict != "delivered"
    decision = Decision(
        verdict,
        tier,
        replace(progress, remaining_s=remaining_s) if failed else None,
        "exhausted" if verdict == "dead_letter" else None,
        "subscriber" if failed else None,
    )
    made = Attempt(
        of,
        progress,
        decision,
        Source("tocsin.deliveries", 0, 0),
        started_at=NOW_MS,
        duration_ms=12.5,
        posted=verdict != "parked",
        url="https://example.com/hook",
        status=500 if failed else 200,
        error="HTTP 500" if failed else None,
        generation=1,
        request_headers={"Content-Type": "application/json", "X-Signature": "sha256=" + 64 * "a"},
        response_headers={"server": "test"},
        response_body=b"ok",
    )
    return made._replace(**changes)


def told(made: Delivery, at_ms: int = NOW_MS, *, run: str = deliveries.LIVE_RUN) -> Told:
    """Return what the ledger reads of a delivery record."""
    return Told(deliveries.to_record(made), run, False, at_ms)


def tried(made: Attempt, at_ms: int = NOW_MS, *, offset: int = 0, quiet: bool = False) -> Tried:
    """Return what the ledger reads of an attempt."""
    return Tried(deliveries.attempt_record(made), offset, at_ms, quiet)


def batch(entries: Sequence[Entry | None], begin: int = 0, part: Part = ATTEMPTS) -> Batch:
    """Return entries as records of one partition, one after the other."""
    taken = [
        Taken(Record(*part, begin + number, 0, None, b"", [], NOW_MS + number), entry)
        for number, entry in enumerate(entries)
    ]
    return Batch({part: begin}, taken)


class Scribe:
    """Writes what router and delivery would write."""

    def __init__(self, registry: Registry, topics: Topics) -> None:
        self._topics = topics
        self._delivery = pipeline.encoder(registry, topics, "delivery")
        self._attempt = pipeline.encoder(registry, topics, "attempt")

    def told(self, made: Delivery, progress: Progress | None = None, *, live: bool = True) -> Outgoing:
        """Return a record for the deliveries topic, or for redeliveries."""
        return Outgoing(
            self._topics.deliveries if live else self._topics.redeliveries,
            made.subscription_id.encode(),
            self._delivery(deliveries.to_record(made)),
            [
                ("ce_id", made.event_id.encode()),
                ("ce_type", made.event_type.encode()),
                ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                ("tocsin_delivery_id", made.delivery_id.encode()),
                *deliveries.progress_headers(progress or Progress()),
            ],
        )

    def tried(self, made: Attempt) -> Outgoing:
        """Return a record for the attempts topic."""
        identity = deliveries.identity(made.delivery.delivery_id, made.progress)
        return Outgoing(
            self._topics.attempts,
            made.delivery.subscription_id.encode(),
            self._attempt(deliveries.attempt_record(made)),
            [
                ("ce_id", made.delivery.event_id.encode()),
                *deliveries.decision_headers(identity, made.source, made.decision),
            ],
        )

    def all(self, of: Sequence[Delivery]) -> list[Outgoing]:
        """Return the records of deliveries that succeed at once."""
        return [record for each in of for record in (self.told(each), self.tried(attempt(each)))]


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
