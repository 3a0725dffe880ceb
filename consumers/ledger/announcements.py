"""What the ledger tells the rest of Tocsin: endpoints disabled and enabled again, and the notices of it to subscribers.

    out       tocsin.health; tocsin.events.<system>, for `endpoint.disabled`

Everything in a record follows from the attempt that led to it, ids and times included. So after a crash the same
attempts make the same records again: the table does not change by them, and a notice is the same event, which is
delivered once. That is why announcements come first, and the store and the group's offset after them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from datetime import UTC, datetime
from typing import Any, Final

from consumers.ledger.health import Change
from tocsin import events, health
from tocsin.errors import EventInvalid, RegistryUnavailable
from tocsin.events import Event
from tocsin.kafka import pipeline
from tocsin.kafka.codec import Encoder
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.wire.systems import System, Systems

SOURCE: Final = "/tocsin/health"
DISABLED: Final = "endpoint.disabled"

_log = logging.getLogger("tocsin.ledger")


class Announcements:
    """Writes what has changed about endpoints.

    Args:
        writer: Writes to Kafka.
        systems: The contracts; a notice goes out as an event of the endpoint's system.
    """

    def __init__(self, writer: Writer, registry: Registry, topics: Topics, systems: Systems) -> None:
        self._writer = writer
        self._registry = registry
        self._topics = topics
        self._systems = systems
        self._encode = pipeline.encoder(registry, topics, "endpoint_health")
        self._notices: dict[str, Encoder] = {}

    def announce(self, changes: Sequence[Change], *, timeout_s: float) -> bool:
        """Write what has changed and return whether all of it is acknowledged; the same may be written again.

        Args:
            changes: In the order of the attempts that led to them.
            timeout_s: How long to wait.

        Raises:
            RuntimeError: Kafka will never take a record.
        """
        deadline_s = time.monotonic() + timeout_s

        def still_wanted() -> bool:
            return time.monotonic() < deadline_s

        try:
            records = [record for change in changes for record in self._records(change)]
        except RegistryUnavailable as error:
            _log.warning("%d changes of endpoint health wait: %s", len(changes), error)
            return False
        ends = [self._write(record, still_wanted) for record in records]
        ended, open_ones = wait(ends, max(0.0, deadline_s - time.monotonic()))
        for end in ended:
            refusal = end.result().error
            if refusal is not None:
                raise RuntimeError(f"a change of endpoint health can never be written: {refusal}")
        if not open_ones:
            for change in changes:
                _tell(change)
        return not open_ones

    def _write(self, record: Outgoing, wanted: Callable[[], bool]) -> Future[Written]:
        end: Future[Written] = Future()
        self._writer.write(record, end.set_result, wanted=wanted)
        return end

    def _records(self, change: Change) -> list[Outgoing]:
        found = change.health
        table = Outgoing(
            self._topics.health, found.subscription_id.encode(), self._encode(health.to_record(found))
        )
        notice = self._notice(change) if found.disabled else None
        return [table] if notice is None else [table, notice]

    def _notice(self, change: Change) -> Outgoing | None:
        system = self._systems.get(change.system)
        if system is None or DISABLED not in system.notices:
            _log.error("nobody is told: this installation has no %s of %s", DISABLED, change.system)
            return None
        event, data = notice_of(change)
        try:
            events.check(event)
            system.notices[DISABLED].check(data)
        except EventInvalid as error:
            _log.error("nobody is told that %s is disabled: %s", change.health.subscription_id, error)
            return None
        return Outgoing(
            self._topics.events(system.name),
            event.organization.encode(),
            self._encoder(system)(data),
            events.to_headers(event),
        )

    def _encoder(self, system: System) -> Encoder:
        encoder = self._notices.get(system.name)
        if encoder is None:
            schema = system.notices[DISABLED].schema
            encoder = Encoder(self._registry, self._topics.events(system.name), schema)
            self._notices[system.name] = encoder
        return encoder


def notice_of(change: Change) -> tuple[Event, Mapping[str, Any]]:
    """Return the event that tells of a disabled endpoint, and its data. The same change makes the same event."""
    found = change.health
    event = Event(
        # With the time: a probe may enable a generation that is disabled again later.
        id=f"{found.subscription_id}-{found.generation}-{found.since_ms}",
        source=SOURCE,
        type=DISABLED,
        time=_moment(found.since_ms),
        organization=found.organization,
        subject=found.subscription_id,
    )
    return event, {
        "webhook_id": found.subscription_id,
        "url": change.url,
        "reason": found.reason,
        "message": health.told(found),
        "consecutive_failures": found.consecutive_failures,
        "failing_since": None if found.failing_since_ms is None else _rfc3339(found.failing_since_ms),
        "last_status": found.last_status,
        "last_error": found.last_error,
    }


def _moment(time_ms: int) -> datetime:
    # Whole milliseconds: a float of seconds may fall one short of them.
    return datetime.fromtimestamp(time_ms // 1000, UTC).replace(microsecond=time_ms % 1000 * 1000)


def _rfc3339(time_ms: int) -> str:
    return _moment(time_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tell(change: Change) -> None:
    found = change.health
    if found.disabled:
        _log.warning("endpoint %s is disabled: %s", found.subscription_id, health.told(found))
    else:
        _log.info("endpoint %s is enabled again: it has answered a probe", found.subscription_id)
