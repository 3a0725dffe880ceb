"""Every failpoint, met once: a program is killed there, another takes its place, and the promises hold.

Each crash has an installation of its own; they run side by side, because most of the time of a crash is the session
of the dead member running out.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from confluent_kafka import Message

from deploy.local.demo import verification
from deploy.local.demo.receiver import Answer, Received
from deploy.local.stack import Stack
from tests.harness.crash import await_death, doomed, hasten
from tests.harness.installation import Api, Installation, header, installation
from tests.harness.jobs import ask, finished
from tests.harness.receiver import Receiver
from tests.harness.records import deliveries_of, letter, waiting
from tests.integration.crash_cases import crash_gateway, crash_ledger
from tocsin import Publisher, deliveries, failpoints, tiers
from tocsin.deliveries import Progress
from tocsin.kafka.writer import Outgoing
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

SECRET: Final = "0123456789abcdef0123456789abcdef"
AT_ONCE: Final = 6
"""Crashes that run side by side."""
TAKEOVER_S: Final = 15.0

Crash = tuple[str, str, int]
"""Program, failpoint, hit."""

DELIVERY: Final[Sequence[Crash]] = [
    ("delivery", "reader.after_poll", 1),
    ("delivery", "reader.before_commit", 2),
    ("delivery", "reader.in_commit", 2),
    ("delivery", "reader.in_revoke", 1),
    ("delivery", "delivery.after_send", 2),
    ("delivery", "delivery.after_2xx", 4),
    ("delivery", "delivery.after_decision", 5),
    ("delivery", "delivery.after_delay_write", 2),
    ("delivery", "delivery.after_dlq_write", 2),
]
ROUTER: Final[Sequence[Crash]] = [
    ("router", "reader.after_poll", 1),
    ("router", "router.after_first_write", 1),
    ("router", "router.after_first_write", 7),
    ("router", "reader.before_commit", 1),
    ("router", "reader.in_commit", 1),
]
DELAY: Final[Sequence[Crash]] = [("delay", "delay.before_due", 3), ("delay", "delay.after_write", 3)]
REPLAY: Final[Sequence[Crash]] = [("replay", "replay.half_way", 15)]
LEDGER: Final[Sequence[Crash]] = [("ledger", "ledger.after_write", 2)]
CONTROL: Final[Sequence[Crash]] = [("control", "control.before_answer", 1)]
GATEWAY: Final[Sequence[Crash]] = [("gateway", "gateway.before_answer", 20)]

ANSWERS: Final[Mapping[str, int]] = {"/accepts": 200, "/fails": 500, "/gone": 410}
EACH: Final = 12
"""Deliveries for each endpoint."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver whose answer is in the path, and whose requests all have to verify."""

    def answer(request: Received, earlier: int) -> Answer:
        time.sleep(0.12)  # an endpoint's own work: a POST is open for longer than a turn of the event loop
        return ANSWERS[request.path.removeprefix("/hook")], {}

    def verify(request: Received) -> None:
        assert verification.governlayer(request.headers, request.body, SECRET), "wrong signature"

    with Receiver(answer=answer, verify=verify) as receiver:
        yield receiver


def posts(requests: Sequence[Received]) -> Counter[tuple[str, str]]:
    """Return how often each event came to each endpoint."""
    return Counter((request.path, json.loads(request.body)["id"]) for request in requests)


def header_of(record: Outgoing, name: str) -> str:
    """Return a header of a record that is yet to be written."""
    return deliveries.first_value(record.headers, name) or ""


def decisions(own: Installation) -> dict[str, set[str]]:
    """Return the distinct decisions about each identity."""
    found: dict[str, set[str]] = defaultdict(set)
    for message in own.read(own.topics.attempts):
        identity, _, packed = deliveries.read_decision(message.headers())  # type: ignore[arg-type]
        found[identity].add(deliveries.unpack_decision(packed).verdict)
    return dict(found)


def crash_delivery(own: Installation, point: str, hit: int) -> None:
    hasten(own, "delivery")
    with receiving() as receiver:
        subscribed = {path: own.subscription(receiver.url + path, secret=SECRET) for path in ANSWERS}
        records = {path: own.deliveries(each, EACH) for path, each in subscribed.items()}
        ids = {
            (f"/hook{path}", header_of(record, "ce_id")): header_of(record, "tocsin_delivery_id")
            for path, made in records.items()
            for record in made
        }
        victim = doomed(own, "delivery", point, hit)
        own.write(*(record for made in records.values() for record in made))
        if point == "reader.in_revoke":
            own.another("delivery")
        died_at = await_death(victim)
        seen = posts(receiver.settle(0.3))
        decided = decisions(own)
        if point != "reader.in_revoke":
            own.another("delivery")
        own.wait_for(own.topics.attempts, _about(ids.values()), count=len(ids), timeout_s=TAKEOVER_S + 15)
        finally_seen = posts(receiver.settle(1.0))
        taken_over_s = min((r.at for r in receiver.requests if r.at > died_at), default=died_at) - died_at
    assert taken_over_s <= TAKEOVER_S
    assert set(finally_seen) == set(ids), "lost"
    for key, delivery in ids.items():
        if f"{delivery}:0:0" in decided:
            assert finally_seen[key] == seen[key], "a decided attempt was sent again"
        assert finally_seen[key] <= 2, "one crash, so at most one repeat"
    final = decisions(own)
    assert {identity: len(verdicts) for identity, verdicts in final.items()} == {
        f"{each}:0:0": 1 for each in ids.values()
    }
    assert {identity: final[identity] for identity in decided} == decided
    _check_effects(own, subscribed)


def _about(wanted: object) -> Callable[[Message], bool]:
    left = {f"{delivery}:0:0" for delivery in wanted}  # type: ignore[attr-defined]

    def once(message: Message) -> bool:
        identity = header(message, "tocsin_identity")
        if identity not in left:
            return False
        left.discard(identity)
        return True

    return once


def _check_effects(own: Installation, subscribed: Mapping[str, Subscription]) -> None:
    """Failed deliveries wait in the first tier, refused ones are dead; a repeated effect has the same identity."""
    tier = own.topics.delay(load_systems()["governlayer"].retries[0])
    for topic, path, step in ((tier, "/fails", 1), (own.topics.dlq, "/gone", 0)):
        key = subscribed[path].id.encode()
        own.wait_for(topic, lambda m, key=key: m.key() == key, count=EACH)  # type: ignore[misc]
        found = own.read(topic)
        assert {message.key() for message in found} == {key}
        assert len(deliveries_of(found)) == EACH
        assert {deliveries.read_progress(m.headers()).step for m in found} == {step}  # type: ignore[arg-type]


def crash_router(own: Installation, point: str, hit: int) -> None:
    hasten(own, "router")
    known = load_systems()["governlayer"].event_types["drift.alert"]
    with receiving() as receiver:
        subscribed = [own.subscription(receiver.url + "/accepts", secret=SECRET) for _ in range(5)]
        own.start("delivery")
        victim = doomed(own, "router", point, hit)
        with Publisher("governlayer", source="/test", settings=own.settings) as publisher:
            events = [
                publisher.publish(
                    known.name, known.example, organization="acme", extensions={"partitionkey": str(n)}
                ).event_id
                for n in range(EACH)
            ]
            await_death(victim)
            events.append(publisher.publish(known.name, known.example, organization="acme").event_id)
        own.another("router")
        receiver.wait_for(len(events) * len(subscribed), TAKEOVER_S + 15)
        requests = receiver.settle(1.0)
    expected = {
        deliveries.delivery_id("/test", known.name, event, each.id).hex
        for event in events
        for each in subscribed
    }
    assert Counter(json.loads(request.body)["id"].removeprefix("wh_") for request in requests) == Counter(
        expected
    )


def crash_delay(own: Installation, point: str, hit: int) -> None:
    hasten(own, "delay")
    names = [f"w{number}" for number in range(EACH)]
    victim = doomed(own, "delay", point, hit)
    own.write(*(waiting(own, "5s", name, Progress(step=1, attempt=1)) for name in names))
    await_death(victim)
    own.another("delay")
    left = set(names)

    def once(message: Message) -> bool:
        name = header(message, "tocsin_delivery_id") or ""
        is_new = name in left
        left.discard(name)
        return is_new

    own.wait_for(own.topics.redeliveries, once, count=EACH, timeout_s=TAKEOVER_S + 15)
    written = {
        header(message, "tocsin_delivery_id"): message.timestamp()[1]
        for message in own.read(own.topics.delay("5s"))
    }
    found = own.read(own.topics.redeliveries)
    assert set(deliveries_of(found)) == set(names)
    assert max(deliveries_of(found).values()) <= 2, "one crash, so at most one copy"
    for message in found:
        waited_ms = message.timestamp()[1] - written[header(message, "tocsin_delivery_id")]
        assert waited_ms >= 1000 * tiers.seconds("5s"), "early"
        assert deliveries.read_progress(message.headers()) == Progress(step=1, attempt=1)  # type: ignore[arg-type]


def crash_replay(own: Installation, point: str, hit: int) -> None:
    hasten(own, "replay")
    own.write(*(letter(own, f"d{number}") for number in range(2 * hit)))
    victim = doomed(own, "replay", point, hit)
    job = ask(own)
    await_death(victim)
    own.another("replay")
    progress = finished(own, job)
    assert (progress.state, progress.selected, progress.replayed) == ("done", 2 * hit, 2 * hit)
    assert deliveries_of(own.read(own.topics.redeliveries)) == Counter(
        f"d{number}" for number in range(2 * hit)
    )


def crash_control(own: Installation, point: str, hit: int) -> None:
    """What was acknowledged is there afterwards, whole, though its owner was never answered."""
    victim = doomed(own, "control", point, hit)
    api = Api(own.api_url, own.api_key("governlayer", "acme"))
    with receiving() as receiver:
        with pytest.raises(httpx.TransportError):
            api.call(
                "POST", "/v1/webhooks", json={"url": receiver.url + "/accepts", "events": ["drift.alert"]}
            )
        await_death(victim)
        own.another("control")
        (found,) = api.call("GET", "/v1/webhooks").json()["data"]
        assert found["url"] == receiver.url + "/accepts"
        assert api.call("DELETE", f"/v1/webhooks/{found['id']}").status_code == 204
        assert api.call("GET", "/v1/webhooks").json()["data"] == []


RUNS: Final[Mapping[str, Callable[[Installation, str, int], None]]] = {
    "delivery": crash_delivery,
    "router": crash_router,
    "delay": crash_delay,
    "replay": crash_replay,
    "ledger": crash_ledger,
    "control": crash_control,
    "gateway": crash_gateway,
}
CRASHES: Final[Sequence[Crash]] = [*DELIVERY, *ROUTER, *DELAY, *REPLAY, *LEDGER, *CONTROL, *GATEWAY]


def run(crash: Crash, stack: Stack, home: Path) -> None:
    """Let one crash happen, in an installation of its own."""
    program, point, hit = crash
    with installation(stack, home) as own:
        RUNS[program](own, point, hit)


@pytest.fixture(scope="module")
def crashes(
    request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Crash, Future[None]]]:
    """The crashes that were asked for, running side by side."""
    ours = [
        item
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
    ]
    wanted: list[Crash] = [item.callspec.params["crash"] for item in ours if hasattr(item, "callspec")]  # type: ignore[misc]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {crash: pool.submit(run, crash, stack, tmp_path_factory.mktemp(crash[0])) for crash in wanted}


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: f"{crash[0]}-{crash[1]}-{crash[2]}")
def test_nothing_is_lost_or_forked_or_sent_again_once_decided_after_a_crash(
    crashes: Mapping[Crash, Future[None]], crash: Crash
) -> None:
    crashes[crash].result(110)


def test_every_failpoint_is_met() -> None:
    assert {point for _, point, _ in CRASHES} == set(failpoints.POINTS)
