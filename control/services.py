"""What requests need, put together once."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from control.archive import Undelivered
from control.backlog import Backlog
from control.cursor import Position
from control.directory import Directory
from control.log import Log
from control.models import Requests
from control.newest import Place
from control.page import Spot
from control.reading import Check, TopicReading
from control.recent import Recent
from tocsin import health, sealing
from tocsin.audit import Entry
from tocsin.deliveries import Delivery
from tocsin.destinations import Policy
from tocsin.errors import NoSecret
from tocsin.events import Event
from tocsin.health import Health
from tocsin.http.admission import Gate
from tocsin.http.problems import Fault, Problem, invalid_body, not_found
from tocsin.http.rate import Limiter
from tocsin.jobs import Job, JobControl, ReplayRequest
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing
from tocsin.keys import ApiKey
from tocsin.quarantined import Quarantined
from tocsin.secrets import Keyring
from tocsin.selection import Selection
from tocsin.subscriptions import StoredSecret, Subscription
from tocsin.tally import Tally
from tocsin.wire.systems import Systems

RECENT_S: Final = 2.0
"""How old an overview may be."""
FRESH_S: Final = 5.0
"""A node whose tables are older than this says that it is not ready."""

_log = logging.getLogger("tocsin.control")


class Store(Protocol):
    """Where subscriptions are written; `control.store` has the one on Kafka, and says what it raises."""

    def put(self, subscription: Subscription) -> Subscription: ...

    def remove(self, subscription: Subscription) -> None: ...


class Outbox(Protocol):
    """Where tests, resends and what was in quarantine are sent from; `control.outbox` has the one on Kafka."""

    def test(self, event: Event, delivery: Delivery) -> None: ...

    def again(self, event: Event, delivery: Delivery, *, run: str, test: bool) -> None: ...

    def back(self, record: Outgoing) -> None: ...


class Archive(Protocol):
    """What is read in Kafka's topics for a request; `control.archive` reads there, and says what it raises."""

    def count(self, selection: Selection, check: Check) -> Tally: ...

    def undelivered(
        self,
        subscription: Subscription,
        *,
        since_ms: int,
        until_ms: int | None,
        after: Position | None,
        limit: int,
        check: Check,
    ) -> Undelivered: ...

    def entries(
        self, organization: str, before: Place | None, check: Check
    ) -> Iterator[tuple[Place, Entry | None]]: ...

    def quarantined(
        self, before: Place | None, check: Check
    ) -> Iterator[tuple[Place, Quarantined | None]]: ...

    def quarantined_at(self, spots: Sequence[Spot | None], check: Check) -> list[Quarantined | None]: ...

    def redriven(self, check: Check) -> frozenset[str]: ...


class Jobs(Protocol):
    """Where jobs are asked for; `control.jobs` has those on Kafka."""

    def all(self) -> list[Job]: ...

    def find(self, job: str) -> Job | None: ...

    def request(self, request: ReplayRequest) -> None: ...

    def control(self, control: JobControl) -> None: ...


class Keys(Protocol):
    """Where API keys are; `control.key_store` has those on Kafka, and says what it raises."""

    def get(self, key_id: str) -> ApiKey | None: ...

    def rows(self) -> list[ApiKey]: ...

    def put(self, key: ApiKey) -> None: ...


class Trail(Protocol):
    """Where changes are told to the audit; `control.trail` has the one on Kafka, and says what it raises."""

    def tell(self, entry: Entry) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What requests need.

    Attributes:
        pacer: Counts what is to leave for a webhook.
        log: The delivery log.
        backlog: Returns what waits in the whole installation; raises KafkaUnavailable.
        health: Returns what the ledger found about a subscription's endpoint, or None.
        reading: Asks the archive, a few requests at a time.
        topics: The installation's.
        age_s: How old this node's knowledge is.
        clock_ms: The time of day, milliseconds since the epoch.
    """

    gate: Gate
    keys: Keys
    limiter: Limiter
    pacer: Limiter
    directory: Directory
    store: Store
    outbox: Outbox
    log: Log
    archive: Archive
    reading: TopicReading
    jobs: Jobs
    trail: Trail
    backlog: Callable[[], Backlog]
    systems: Systems
    policy: Policy
    keyring: Keyring
    health: Callable[[str], Health | None]
    topics: Topics
    age_s: Callable[[], float]
    clock_ms: Callable[[], int]
    requests: Requests = field(init=False)
    overviews: Recent[dict[str, Any]] = field(init=False, default_factory=lambda: Recent(RECENT_S))
    backlogs: Recent[Backlog | None] = field(init=False, default_factory=lambda: Recent(RECENT_S))

    def __post_init__(self) -> None:
        object.__setattr__(self, "requests", Requests(self.systems))

    @property
    def topic(self) -> str:
        """Name of the subscriptions topic; sealed secrets are bound to it."""
        return self.topics.subscriptions

    def webhook(self, organization: str, webhook_id: str) -> Subscription:
        """Return a webhook that the path of a request names.

        Raises:
            Problem: 404, there is none, or it is another organization's.
        """
        found = self.directory.get(organization, webhook_id)
        if found is None:
            raise not_found("webhook")
        return found

    def named_webhook(self, organization: str, webhook_id: str, field: str) -> Subscription:
        """Return a webhook that a field of a request's body names; 400 in the place of 404."""
        found = self.directory.get(organization, webhook_id)
        if found is None:
            raise invalid_body([Fault(field=field, reason="is no webhook of this organization")])
        return found

    def standing(self, subscription: Subscription) -> Subscription:
        """Return a subscription as it stands, its health applied: to be shown, never to be written."""
        return health.standing(subscription, self.health(subscription.id))

    def seal(self, secret: str, organization: str, subscription: str, now_ms: int) -> StoredSecret:
        """Seal a new signing secret of a subscription."""
        return self.keyring.seal(
            secret,
            topic=self.topic,
            organization=organization,
            subscription=subscription,
            secret_id=f"sec_{os.urandom(8).hex()}",
            now_ms=now_ms,
        )

    def sealed(self, subscription: Subscription) -> Subscription:
        """Return an opened subscription as it is written."""
        wire = self.systems.wire_format(subscription.system, subscription.format)
        return sealing.sealed(subscription, self.keyring, self.topic, wire, self.clock_ms())

    def opened(self, subscription: Subscription) -> Subscription:
        """Return a written subscription with its URL and headers as they are.

        Raises:
            Problem: 409, a key of it is not in this node's keyring, or its row was moved.
        """
        try:
            return sealing.opened(subscription, self.keyring, self.topic)
        except NoSecret as error:
            _log.error("%s does not open: %s", subscription.id, error)
            told = (
                "what is sealed of this webhook does not open on this node: the operator checks its keyring"
            )
            raise Problem(409, "sealed_elsewhere", told) from error
