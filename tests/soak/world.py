"""The soak put together: an installation under a storm, and its audit once it has come to rest."""

from __future__ import annotations

import pickle
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.harness.crash import hasten
from tests.harness.installation import Api, Installation, installation
from tests.harness.proxy import Proxy
from tests.soak import lag, log
from tests.soak.audit import FINAL, Findings, Pair, Served, audit, expectations, takeovers_ms
from tests.soak.endpoints import Endpoints
from tests.soak.faults import Storm
from tests.soak.ground import Ground
from tests.soak.ledgers import Ledgers
from tests.soak.phases import Phase, Site
from tests.soak.posting import Posting
from tests.soak.publishing import SOURCE, Publishing
from tests.soak.subscribing import TEMPERS, Subscribing
from tests.soak.supervision import Supervisor
from tests.soak.tailing import Tail
from tocsin import jobs, tiers
from tocsin.jobs import ReplayRequest
from tocsin.kafka import pipeline
from tocsin.kafka.writer import Outgoing
from tocsin.selection import Selection
from tocsin.wire.systems import load_systems

STAFF: Final = {"control": 1, "gateway": 1, "router": 2, "delivery": 3, "delay": 2, "replay": 1, "ledger": 1}
ORGANIZATIONS: Final = ("acme", "globex", "initech")
TYPES: Final = {
    "governlayer": ("drift.alert", "drift.resolved", "ledger.entry"),
    "truthvouch": ("alert.detected", "policy.updated"),
}
RARE: Final = {"governlayer": "ledger.entry", "truthvouch": "policy.updated"}
"""What endpoints ask for that would hold up the end of the soak: they wait through the whole schedule."""
POSTED: Final = "governlayer"
POSTED_PER_S: Final = 3.0
"""Events that come through the gateway."""
SAY_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a soak does; the seed decides the rest."""

    kills: int
    seconds: float
    seed: int
    rate_per_s: float
    tiers: Sequence[str]
    broker_kills: int
    phases: Sequence[Phase]
    calm_kills: int
    frozen_most_s: float
    partitions: int
    session_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a soak ended.

    Attributes:
        takeovers_ms: After each calm kill.
        failures: Processes that ended by themselves and were started again, which no fault should make them do.
        promised: What the API promised while Kafka was away.
        denied: How often it said then that it can't.
        peaks_mib: Program to the most memory that one of its processes ever held.
        unsettled: What had not come to rest in time.
        log: What the delivery log has otherwise than the attempts topic.
    """

    findings: Findings
    kills: int
    takeovers_ms: Sequence[float]
    failures: Sequence[str]
    promised: Sequence[str]
    denied: int
    peaks_mib: Mapping[str, float]
    unsettled: Sequence[str]
    log: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether the promises were kept."""
        return self.findings.holds and not (self.unsettled or self.promised or self.failures or self.log)

    def __str__(self) -> str:
        found = self.findings
        return (
            f"soak: {found.events} events, {found.deliveries} deliveries, {self.kills} kills, {len(found.lost)} lost, "
            f"{len(found.forked)} forked, {found.repeated} repeated (bound {found.bound})"
        )


def soak(plan: Plan, ground: Ground, home: Path, say: Callable[[str], None]) -> Outcome:
    """Run a soak from its first process to its audit."""
    replication = ground.cluster.replication
    with installation(ground, home, partitions=plan.partitions, replication=replication) as own:
        own.fleet.environment = {**own.fleet.environment, "TOCSIN_KAFKA": ground.cluster.detour}
        if plan.session_s < own.settings.session_s:
            hasten(own, "router", "delivery", "delay", "replay", "ledger")
        with World(plan, own, ground, say) as world:
            return world.run()


class World:
    """Everything that runs during one soak."""

    def __init__(self, plan: Plan, own: Installation, ground: Ground, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._own = own
        self._say = say
        self._began_s = self._said_s = time.monotonic()
        systems = load_systems()
        known = [
            (system, systems[system].event_types[name]) for system, names in TYPES.items() for name in names
        ]
        self._endpoints = Endpoints({f"{system}/{each.name}": each for system, each in known})
        self._supervisor = Supervisor(own.fleet, plan.session_s)
        tenants = [(system, organization) for system in TYPES for organization in ORGANIZATIONS]
        apis = {tenant: Api(own.api_url, own.api_key(*tenant)) for tenant in tenants}
        self._subscribing = Subscribing(self._endpoints, apis, random.Random(plan.seed))
        self._publishing = Publishing(
            own.settings, known, ORGANIZATIONS, plan.rate_per_s, random.Random(plan.seed + 1)
        )
        self._posting = Posting(
            own.gateway_url + "/v1/events",
            POSTED,
            [each for system, each in known if system == POSTED],
            {name: own.api_key(POSTED, name, ("publish",)) for name in ORGANIZATIONS},
            POSTED_PER_S,
            random.Random(plan.seed + 3),
            self._publishing.acknowledged,
        )
        self._tail = Tail(own)
        self._cleanup = ExitStack()
        self._cleanup.enter_context(self._endpoints.receiver)
        port = self._endpoints.receiver.port
        self._site = Site(ground, self._cleanup.enter_context(Proxy(port)))
        self._endpoints.port = self._site.endpoints.port
        self._storm = Storm(
            self._supervisor,
            self._site,
            random.Random(plan.seed + 2),
            kills=plan.kills,
            lasting_s=plan.seconds,
            broker_kills=plan.broker_kills,
            phases=plan.phases,
            calm_kills=plan.calm_kills,
            frozen_most_s=plan.frozen_most_s,
            session_s=plan.session_s,
            meanwhile=self._tick,
            deny=self._deny,
        )
        self._job: str | None = None

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def run(self) -> Outcome:
        """Set up, let the storm blow, wait for rest, compare."""
        self._set_up()
        self._storm.blow(self._half_way)
        self._supervisor.thaw_all()
        self._supervisor.disarm()
        self._subscribing.stop()
        self._subscribing.clear()
        self._endpoints.know_all()
        self._publishing.stop(60.0)
        self._posting.stop(60.0)
        self._line(
            "the storm is over: " + ", ".join(f"{n} × {what}" for what, n in self._storm.happened.items())
        )
        unsettled = self._settle()
        self._supervisor.stop()
        self._tail.stop()
        return self._compare(unsettled)

    def _set_up(self) -> None:
        for name, count in STAFF.items():
            self._own.fleet.add(name, count)
        self._own.fleet.start()
        self._supervisor.start()
        self._line("every program runs")
        for tenant in self._subscribing.apis:
            for behaviour, patterns in TEMPERS:
                self._subscribing.subscribe(
                    tenant, behaviour, [pattern.format(rare=RARE[tenant[0]]) for pattern in patterns]
                )
        self._tail.start()
        self._publishing.start()
        self._posting.start()
        self._subscribing.start(4.0)
        self._line(f"{len(self._subscribing.subscribers)} subscribers")

    def _deny(self) -> None:
        self._subscribing.deny()
        self._posting.deny()

    def _half_way(self) -> None:
        """Mend the endpoints that fail, and ask for what they missed."""
        self._endpoints.repair()
        self._job = f"soak-{uuid.uuid4().hex[:8]}"
        request = ReplayRequest(
            self._job, "soak", time.time_ns() // 1_000_000, Selection(reason="exhausted"), rate_per_s=50.0
        )
        encode = pipeline.encoder(self._own.registry, self._own.topics, "replay_request")
        key = jobs.request_key(self._job).encode()
        self._own.write(Outgoing(self._own.topics.jobs, key, encode(jobs.request_to_record(request))))
        self._line("half way: those that fail are mended, and their dead letters are replayed")

    def _tick(self) -> None:
        if time.monotonic() - self._said_s >= SAY_EVERY_S:
            self._line(", ".join(self._supervisor.unrest()))

    def _line(self, what: str) -> None:
        self._said_s = time.monotonic()
        self._supervisor.weigh()
        self._say(
            f"{self._said_s - self._began_s:5.0f} s  {len(self._publishing.acknowledged):6} events  "
            f"{len(self._endpoints.posts):6} posts  {len(self._tail.tried):6} decisions  "
            f"{len(self._tail.letters):5} dead  {self._storm.killed:4} kills  {what}"
        )

    def _settle(self) -> list[str]:
        """Wait until everything has come to rest; return what has not in time."""
        longest_s = max(tiers.seconds(tier) for tier in self._plan.tiers)
        # What piled up while nothing could be delivered takes as long to work off, at most.
        outage_s = max((phase.seconds for phase in self._plan.phases), default=0.0)
        deadline = time.monotonic() + 120.0 + 2 * longest_s + outage_s
        while True:
            unsettled = self._unsettled()
            if not unsettled or time.monotonic() > deadline:
                return unsettled
            if time.monotonic() - self._said_s >= SAY_EVERY_S:
                self._line(f"still {unsettled[0]}")
            time.sleep(0.5)

    def _unsettled(self) -> list[str]:
        ended = {each.identity[:2] for each in list(self._tail.tried) if each.verdict in FINAL}
        _, expected = expectations(self._ledgers(), SOURCE)
        wanted = {(delivery, "0") for delivery in expected}
        wanted |= {(delivery, run) for delivery, run, _ in list(self._tail.redelivered)}
        left = wanted - ended
        found = [f"{len(left)} deliveries without an end ({self._whose(left, expected)})"] if left else []
        found += [f"{each} is not ready" for each in self._supervisor.unrest()]
        return found or lag.lagging(self._own.settings, tuple(TYPES))

    def _whose(self, left: Collection[tuple[str, str]], expected: Mapping[str, Pair]) -> str:
        tempers = {each.id: each.behaviour for each in list(self._subscribing.subscribers)}
        count = Counter(
            tempers[expected[delivery][1]] if delivery in expected else "-" for delivery, _ in left
        )
        return ", ".join(f"{number} {temper}" for temper, number in count.most_common())

    def _ledgers(self) -> Ledgers:
        return Ledgers(
            published=list(self._publishing.acknowledged),
            subscribers=list(self._subscribing.subscribers),
            posts=list(self._endpoints.posts),
            tried=list(self._tail.tried),
            letters=list(self._tail.letters),
            crashes=list(self._supervisor.crashes),
            refused=list(self._endpoints.refused),
            disabled=set(self._tail.disabled),
            routed=set(self._tail.appended_ms),
        )

    def _compare(self, unsettled: Sequence[str]) -> Outcome:
        ledgers = self._ledgers()
        (self._own.fleet.home / "ledgers.pickle").write_bytes(pickle.dumps(ledgers))
        return Outcome(
            findings=audit(ledgers, SOURCE),
            kills=self._storm.killed,
            takeovers_ms=takeovers_ms(self._served(ledgers), self._storm.calm, 1000 * self._storm.calm_s),
            failures=list(self._supervisor.failures),
            promised=[*self._subscribing.promised, *self._posting.promised],
            denied=self._subscribing.denied + self._posting.denied,
            peaks_mib=dict(self._supervisor.peaks_mib),
            unsettled=list(unsettled),
            log=log.differences(self._own.settings.ledger, ledgers.tried),
        )

    def _served(self, ledgers: Ledgers) -> Iterator[Served]:
        prompt = {each.id for each in ledgers.subscribers if each.behaviour == "healthy"}
        possible, _ = expectations(ledgers, SOURCE)
        for each in ledgers.tried:
            _, endpoint = possible.get(each.delivery_id, ("", ""))
            appended_ms = self._tail.appended_ms.get(each.delivery_id)
            if each.live and endpoint in prompt and appended_ms is not None:
                yield Served(endpoint, appended_ms, each.decided_ms)
