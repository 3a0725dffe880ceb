"""What stands in Kafka's topics, made by hand."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any, Final

from control.directory import Directory
from tests.unit.control.calls import register
from tests.unit.control.log_world import HOOK, Logbook, dead, delivery_id, tried
from tests.unit.control.world import NOW_MS, MemoryArchive, MemoryJobs
from tocsin.audit import Entry
from tocsin.deadletters import DeadLetter
from tocsin.deliveries import Progress
from tocsin.events import Event
from tocsin.intake import Arrived
from tocsin.jobs import ReplayRequest
from tocsin.missed import Fate, Looked
from tocsin.quarantined import Quarantined
from tocsin.selection import Selection
from tocsin.wire.systems import System, load_systems

_SYSTEM: Final[System] = next(iter(load_systems().values()))


def letter(number: int, *, error: str = "HTTP 500", **changes: Any) -> DeadLetter:
    """Return the n-th dead letter, which died n seconds before now."""
    fields: dict[str, Any] = {
        "partition": 0,
        "offset": 1_000 - number,
        "timestamp_ms": NOW_MS - 1000 * number,
        "delivery_id": delivery_id(number),
        "subscription_id": HOOK,
        "organization": "acme",
        "event_type": "pass",
        "event_id": str(number),
        "reason": "exhausted",
        "fault": "subscriber",
        "progress": Progress(step=5, attempt=6, last_status=500, last_error=error),
        "source": None,
        "value": b"",
        "headers": [],
        "system": "alpha",
    }
    return DeadLetter(**fields | changes)


def looked(number: int, fate: Fate = "never", *, event_id: str = "", webhook_id: str = HOOK) -> Looked:
    """Return the n-th event, published n seconds before now, with what became of it."""
    event = Event(
        id=event_id or str(number),
        source="/test",
        type="pass",
        time=datetime.fromtimestamp(NOW_MS / 1000 - number, UTC),
        organization="acme",
    )
    arrived = Arrived(event, {}, _SYSTEM)
    return Looked(0, number, NOW_MS - 1000 * number, [], arrived, delivery_id(number, webhook_id), fate)


def change(number: int, **changes: Any) -> Entry:
    """Return the n-th entry of the audit, written n seconds before now."""
    fields: dict[str, Any] = {
        "id": uuid.UUID(int=number),
        "at": NOW_MS - 1000 * number,
        "actor": "cli:ann",
        "action": "key.created",
        "object": f"key{number}",
        "organization": "acme",
        "after": {"number": number},
    }
    return Entry(**fields | changes)


def quarantined(number: int, **changes: Any) -> Quarantined:
    """Return the n-th quarantined record, set aside n seconds after the first."""
    fields: dict[str, Any] = {
        "partition": 0,
        "offset": number,
        "timestamp_ms": NOW_MS - 60_000 + 1000 * number,
        "source_topic": "test.events.alpha",
        "source_partition": 3,
        "source_offset": 40 + number,
        "source_timestamp_ms": NOW_MS - 70_000,
        "program": "router",
        "reason": "unknown magic byte 0x07",
        "key": b"acme",
        "value": b"\x07broken",
        "headers": (("ce_organization", b"acme"), ("ce_id", b"e-1")),
    }
    return Quarantined(**fields | changes)


def furnish(book: Logbook, directory: Directory, jobs: MemoryJobs, archive: MemoryArchive) -> None:
    """Give `acme` one of everything."""
    register(directory)
    archive.letters.append(letter(1, error="canary"))
    archive.missed[HOOK] = [looked(1, event_id="canary")]
    archive.audit.append(change(1, why="canary"))
    archive.records.append(quarantined(1, reason="canary"))
    book.write(dead(1, last_error="canary"), tried(1, error="canary"))
    jobs.request(ReplayRequest("rpl-1", "cli:ann", NOW_MS, Selection(organization="acme"), why="canary"))
