"""A control API without Kafka: made-up contracts, known keys, subscriptions in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from control.archive import Undelivered, place_of
from control.backlog import Backlog
from control.cursor import Position
from control.directory import Directory
from control.log import Log
from control.newest import Place
from control.page import Spot
from control.reading import Check, TopicReading
from control.services import Jobs, Outbox, Services, Store, Trail
from tocsin import jobs, keys, purges, secrets, tally
from tocsin.audit import Entry
from tocsin.deadletters import DeadLetter
from tocsin.deliveries import Delivery
from tocsin.destinations import Policy
from tocsin.errors import LedgerUnavailable, NotAcknowledged
from tocsin.events import Event
from tocsin.health import Health
from tocsin.http.admission import Gate
from tocsin.http.rate import Limiter
from tocsin.jobs import Job, JobControl, ReplayProgress, ReplayRequest, Row
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing
from tocsin.keys import ApiKey
from tocsin.missed import Looked
from tocsin.purges import Purge
from tocsin.quarantined import REDRIVEN, Quarantined
from tocsin.selection import Selection, matches
from tocsin.subscriptions import Subscription
from tocsin.tally import Tally
from tocsin.wire.systems import Systems, load_systems

NOW_MS: Final = 1_772_392_920_123
DAY_MS: Final = 86_400_000

_SYSTEM = """
title = "{title}"
retries = ["1m"]

[body]
type = "${{event.type}}"
data = "${{event.data}}"

[headers]
X-Event = "${{event.type}}"

[signature]
header = "X-Signature"
"""

_ALPHA = """
[endpoint]
https_only = true
formats = { "chat.example.com" = "chat" }

[api]
paths = ["/api/v1/webhooks"]
scope = ["contract_id"]
created = ["id", "url", "events", "contract_id", "active", "secret", "created_at"]
"""

_BETA_SYSTEM = """
[api]
rate_per_minute = 100

[test]
event_type = "pass"
[test.data]
test = true
"""

_FORMATS = {
    "chat": 'title = "Chat"\nsignature = "none"\n[body]\ntext = "${event.type}"\n',
    "pager": (
        'title = "Pager"\nsignature = "none"\n[body]\nsummary = "${event.type}"\n'
        '[secret]\nmade_here = false\n[secret_field]\npath = "routing_key"\n'
    ),
    "spread": 'title = "Spread"\nsignature = "system"\nbody = "${event.data}"\n[headers]\n"ce-..." = "${event.attributes}"\n',
    "standard": 'title = "Standard"\nsignature = "system"\n[body]\ntype = "${event.type}"\n',
}

EVENT_TYPES: Final = ("drift.alert", "drift.resolved", "pass")


def write_contracts(root: Path) -> Systems:
    """Write and read two systems: `alpha` documents an API of its own and is HTTPS only, `beta` documents nothing."""
    (root / "formats").mkdir()
    for name, text in _FORMATS.items():
        (root / "formats" / f"{name}.toml").write_text(text)
    for name, more in {"alpha": _ALPHA, "beta": _BETA_SYSTEM}.items():
        (root / name).mkdir()
        (root / name / "system.toml").write_text(_SYSTEM.format(title=name.title()) + more)
        for event_type in EVENT_TYPES:
            (root / name / f"{event_type}.avsc").write_text(_schema(name, event_type))
    return load_systems(root)


def _schema(system: str, event_type: str) -> str:
    return json.dumps(
        {
            "type": "record",
            "name": "".join(part.title() for part in event_type.split(".")),
            "namespace": f"tocsin.{system}",
            "doc": "It happened.",
            "eventType": event_type,
            "exampleSource": "tocsin",
            "example": {"contract_id": "c-1"},
            "fields": [{"name": "contract_id", "type": "string", "doc": "Which."}],
        }
    )


def _key(number: int, organization: str, system: str, *scopes: str) -> tuple[str, ApiKey]:
    key_id, text = keys.new_key(bytes([number]) * keys.RANDOM_BYTES)
    return text, ApiKey(key_id, organization, system, keys.digest(text), scopes, NOW_MS)


MANAGER, _MANAGER = _key(1, "acme", "alpha", "manage", "read")
READER, _READER = _key(2, "acme", "alpha", "read")
STRANGER, _STRANGER = _key(3, "rival", "alpha", "manage", "read")
BETA, _BETA = _key(4, "acme", "beta", "manage", "read")
EXPIRED, _EXPIRED = _key(5, "acme", "alpha", "manage", "read")
REVOKED, _REVOKED = _key(6, "acme", "alpha", "manage", "read")
ORPHAN, _ORPHAN = _key(7, "acme", "gamma", "manage", "read")
ADMIN, _ADMIN = _key(8, "acme", "alpha", "admin")
OPERATOR, _OPERATOR = _key(10, "operators", "alpha", "operate")
RIVAL, _RIVAL = _key(11, "rival", "alpha", "admin")
WATCHER, _WATCHER = _key(12, "acme", "alpha", "read", "operate")
REPLAYER, _REPLAYER = _key(13, "acme", "alpha", "replay")
UNKNOWN = keys.new_key(bytes([9]) * keys.RANDOM_BYTES)[1]

KEYS: Final = {
    key.id: key
    for key in (
        _MANAGER,
        _READER,
        _STRANGER,
        _BETA,
        replace(_EXPIRED, expires_at=NOW_MS),
        replace(_REVOKED, revoked_at=NOW_MS - DAY_MS),
        _ORPHAN,
        _ADMIN,
        _OPERATOR,
        _RIVAL,
        _WATCHER,
        _REPLAYER,
    )
}


class MemoryStore:
    """Keeps subscriptions in a directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def put(self, subscription: Subscription) -> Subscription:
        self._directory.update(subscription.id, subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        self._directory.update(subscription.id, None)


class AwayStore(MemoryStore):
    """The broker does not acknowledge."""

    def put(self, subscription: Subscription) -> Subscription:
        raise NotAcknowledged("no acknowledgement within 5 s")

    def remove(self, subscription: Subscription) -> None:
        raise NotAcknowledged("no acknowledgement within 5 s")


class MemoryKeys:
    """Keeps API keys, those of this world and what is put."""

    def __init__(self) -> None:
        self._rows = dict(KEYS)

    def get(self, key_id: str) -> ApiKey | None:
        return self._rows.get(key_id)

    def rows(self) -> list[ApiKey]:
        return list(self._rows.values())

    def put(self, key: ApiKey) -> None:
        self._rows[key.id] = key


class AwayKeys(MemoryKeys):
    """The broker does not acknowledge."""

    def put(self, key: ApiKey) -> None:
        raise NotAcknowledged("no acknowledgement within 5 s")


class MemoryOutbox:
    """Keeps the tests that were sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[Event, Delivery]] = []
        self.resent: list[tuple[Event, Delivery, str, bool]] = []
        self.returned: list[Outgoing] = []

    def test(self, event: Event, delivery: Delivery) -> None:
        self.sent.append((event, delivery))

    def again(self, event: Event, delivery: Delivery, *, run: str, test: bool) -> None:
        self.resent.append((event, delivery, run, test))

    def back(self, record: Outgoing) -> None:
        self.returned.append(record)


class AwayOutbox:
    """The broker does not acknowledge."""

    def test(self, event: Event, delivery: Delivery) -> None:
        raise NotAcknowledged("no acknowledgement within 5 s")

    def again(self, event: Event, delivery: Delivery, *, run: str, test: bool) -> None:
        raise NotAcknowledged("no acknowledgement within 5 s")

    def back(self, record: Outgoing) -> None:
        raise NotAcknowledged("no acknowledgement within 5 s")


class MemoryTrail:
    """Keeps what the audit is told."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def tell(self, entry: Entry) -> None:
        self.entries.append(entry)


class AwayTrail:
    """The broker does not acknowledge."""

    def tell(self, entry: Entry) -> None:
        raise NotAcknowledged("no acknowledgement within 5 s")


class MemoryJobs:
    """Keeps the rows of jobs."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def all(self) -> list[Job]:
        return list(jobs.join(self.rows.values()).values())

    def find(self, job: str) -> Job | None:
        return jobs.join(self.rows.values()).get(job)

    def request(self, request: ReplayRequest) -> None:
        self.rows[jobs.request_key(request.job)] = request

    def control(self, control: JobControl) -> None:
        self.rows[jobs.control_key(control.job)] = control

    def progress(self, progress: ReplayProgress) -> None:
        self.rows[jobs.progress_key(progress.job)] = progress


@dataclass(slots=True)
class MemoryArchive:
    """Keeps what stands in Kafka's topics: dead letters, what was not delivered by webhook, the audit, quarantine.

    Attributes:
        purges: Those that are done.
        error: Raised in the place of any answer.
    """

    letters: list[DeadLetter] = field(default_factory=list)
    purges: list[Purge] = field(default_factory=list)
    missed: dict[str, list[Looked]] = field(default_factory=dict)
    audit: list[Entry] = field(default_factory=list)
    records: list[Quarantined] = field(default_factory=list)
    error: Exception | None = None

    def count(self, selection: Selection, check: Check) -> Tally:
        self._answer(check)
        return tally.tally(
            (
                each
                for each in self.letters
                if matches(selection, each) and not purges.purged(each, self.purges)
            ),
            {0: 1_000},
        )

    def undelivered(
        self,
        subscription: Subscription,
        *,
        since_ms: int,
        until_ms: int | None,
        after: Position | None,
        limit: int,
        check: Check,
    ) -> Undelivered:
        self._answer(check)
        found = [
            each
            for each in self.missed.get(subscription.id, [])
            if since_ms <= each.timestamp_ms < (until_ms or NOW_MS + DAY_MS)
        ]
        behind = sorted((each for each in found if after is None or place_of(each) > after), key=place_of)
        return Undelivered(behind[: limit + 1], Counter(each.fate for each in found))

    def entries(
        self, organization: str, before: Place | None, check: Check
    ) -> Iterator[tuple[Place, Entry | None]]:
        self._answer(check)
        for number, entry in reversed(list(enumerate(self.audit))):
            place = Place(entry.at, 0, number)
            if before is None or place < before:
                yield place, entry if entry.organization == organization else None

    def quarantined(self, before: Place | None, check: Check) -> Iterator[tuple[Place, Quarantined]]:
        self._answer(check)
        for record in reversed(self.records):
            place = Place(record.timestamp_ms, record.partition, record.offset)
            if before is None or place < before:
                yield place, record

    def quarantined_at(self, spots: Sequence[Spot | None], check: Check) -> list[Quarantined | None]:
        known = {(each.partition, each.offset): each for each in self.records}
        found = list[Quarantined | None]()
        for spot in spots:
            self._answer(check)
            found.append(known.get(spot) if spot is not None else None)
        return found

    def redriven(self, check: Check) -> frozenset[str]:
        self._answer(check)
        return frozenset(entry.object for entry in self.audit if entry.action == REDRIVEN)

    def _answer(self, check: Check) -> None:
        check()
        if self.error is not None:
            raise self.error


@contextmanager
def no_log() -> Iterator[Connection]:
    """There is no delivery log."""
    raise LedgerUnavailable("sqlite:///canary.db is not there yet")
    yield


def make_services(
    systems: Systems,
    directory: Directory,
    store: Store,
    *,
    outbox: Outbox | None = None,
    age_s: float = 0.0,
    keys_age_s: float = 0.0,
    clock_ms: Callable[[], int] = lambda: 0,
    health: Callable[[str], Health | None] = lambda subscription_id: None,
    log: Callable[[], AbstractContextManager[Connection]] = no_log,
    archive: MemoryArchive | None = None,
    jobs: Jobs | None = None,
    trail: Trail | None = None,
    backlog: Callable[[], Backlog] = lambda: Backlog(0, 0, {}),
    keys: MemoryKeys | None = None,
) -> Services:
    """Put services together; plain http is allowed where a system does not forbid it."""
    known_keys = keys or MemoryKeys()
    return Services(
        keys=known_keys,
        gate=Gate(known_keys.get, lambda: keys_age_s, systems, lambda: NOW_MS),
        limiter=Limiter(1_000_000, clock_ms),
        directory=directory,
        store=store,
        outbox=outbox or MemoryOutbox(),
        pacer=Limiter(1_000_000, clock_ms),
        log=Log(log),
        archive=archive or MemoryArchive(),
        reading=TopicReading(),
        jobs=jobs or MemoryJobs(),
        trail=trail or MemoryTrail(),
        backlog=backlog,
        systems=systems,
        policy=Policy(allow_http=True),
        keyring=secrets.parse_keyring("test", secrets.new_key_line("test")),
        health=health,
        topics=Topics("test"),
        age_s=lambda: age_s,
        clock_ms=lambda: NOW_MS,
    )
