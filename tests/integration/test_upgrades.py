"""What docs/upgrades.md tells people to do, done with deliveries under way: nothing is lost, nothing forks."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from deploy.local import programs
from deploy.local.demo import verification
from deploy.local.demo.receiver import Answer, Received
from tests.harness import newer
from tests.harness.command import Command
from tests.harness.crash import await_death, hasten
from tests.harness.installation import Installation, header
from tests.harness.receiver import Receiver
from tests.soak import contracts
from tocsin import Publisher, deliveries, failpoints
from tocsin.kafka import partitioner
from tocsin.kafka.topics import Topics
from tocsin.wire.systems import load_systems

SECRET: Final = "0123456789abcdef0123456789abcdef"
KNOWN: Final = load_systems()["governlayer"].event_types["drift.alert"]
GROWN: Final = 7


@contextmanager
def receiving(refusing: threading.Event) -> Iterator[Receiver]:
    """Run a receiver that takes everything, or, while it is refusing, the second POST of everything."""
    met: set[bytes] = set()

    def answer(request: Received, earlier: int) -> Answer:
        is_first = request.body not in met
        met.add(request.body)
        return (500 if is_first and refusing.is_set() else 200), {}

    def verify(request: Received) -> None:
        assert verification.governlayer(request.headers, request.body, SECRET), "wrong signature"

    with Receiver(answer=answer, verify=verify) as receiver:
        yield receiver


def decided(own: Installation) -> Mapping[str, Sequence[str]]:
    """Return delivery id to the verdicts about it, having seen that each identity was decided about once."""
    met: dict[str, str] = {}
    for message in own.read(own.topics.attempts):
        identity, _, packed = deliveries.read_decision(message.headers())  # type: ignore[arg-type]
        assert identity not in met, "decided twice"
        met[identity] = deliveries.unpack_decision(packed).verdict
    verdicts: dict[str, list[str]] = {}
    for identity, verdict in sorted(met.items()):
        verdicts.setdefault(identity.partition(":")[0], []).append(verdict)
    return verdicts


def home(subscription_id: str, partitions: int) -> int:
    """Return the partition that a subscription's records are written to."""
    return partitioner.partition(subscription_id.encode(), partitions)


def publish(own: Installation, count: int) -> None:
    """Publish events of many keys, and return once all are acknowledged."""
    with Publisher("governlayer", source="/tests", settings=own.settings) as publisher:
        for number in range(count):
            key = {"partitionkey": f"k{number}"}
            publisher.publish(KNOWN.name, KNOWN.example, organization="acme", extensions=key)


def test_partitions_grow_under_deliveries_on_their_way_and_none_is_lost_or_sent_again(
    own: Installation, tmp_path: Path
) -> None:
    """Some wait in a tier, some in the events topic, and publishing goes on while the programs stand still."""
    five = contracts.write(tmp_path / "contracts", ["5s"])
    own.fleet.environment = {**own.fleet.environment, "TOCSIN_CONTRACTS": str(five)}
    tocsin, refusing = Command(own), threading.Event()
    with receiving(refusing) as receiver:
        subscribed = [own.subscription(receiver.url, secret=SECRET) for _ in range(4)]
        while not (
            moved := [each.id for each in subscribed if home(each.id, GROWN) >= own.settings.partitions]
        ):
            subscribed.append(own.subscription(receiver.url, secret=SECRET))
        own.start("router", "delivery", "delay")
        assert "1 run: stop them first" in tocsin.run("topics", "grow", str(GROWN), "--yes", code=1)[1]
        publish(own, 3)
        at_once = receiver.wait_for(3 * len(subscribed))
        refusing.set()
        publish(own, 20)
        receiver.wait_for(len(at_once) + 40)
        own.fleet.stop()
        assert all(program.says("stopped") for program in own.fleet.programs)
        publish(own, 5)
        told = tocsin.run("topics", "grow", str(GROWN), "--yes")[1]
        assert f"TOCSIN_PARTITIONS={GROWN} and TOCSIN_PARTITIONS_EARLIER=[4]" in told
        own.fleet.programs.clear()
        own.fleet.environment = {**own.fleet.environment, "TOCSIN_PARTITIONS": str(GROWN)}
        own.start("router", "delivery", "delay")
        publish(own, 5)
        refused = 30 * len(subscribed)
        receiver.wait_for(len(at_once) + 2 * refused, 40.0)
        counts = Counter((request.path, request.body) for request in receiver.settle(1.0))
    assert Counter(counts.values()) == {1: len(at_once), 2: refused}
    own.wait_for(own.topics.attempts, lambda message: True, count=len(at_once) + 2 * refused)
    assert Counter(map(tuple, decided(own).values())) == {
        ("delivered",): len(at_once),
        ("retry", "delivered"): refused,
    }
    assert {message.partition() for message in own.read(own.topics.deliveries)} >= {home(moved[0], GROWN)}
    assert "every topic has so many" in tocsin.run("topics", "grow", str(GROWN))[1]
    assert "cannot take any away" in tocsin.run("topics", "grow", "3", code=1)[1]
    missing = ("deliveries", "missing", "--webhook", moved[0], "--since", "10m")
    assert len(tocsin.json(*missing)) > 0, "what lies in the earlier partition is not looked for"
    assert Command(own, TOCSIN_PARTITIONS_EARLIER="[4]").json(*missing) == []


def test_older_delivery_and_delay_lose_nothing_that_a_newer_version_sent_to_a_tier_of_its_own(
    own: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newer one dies with effects undone, an older one repeats them; they wait until a newer delay has started."""
    monkeypatch.setitem(programs.MODULES, "newer", "tests.harness.newer")
    schedules = {tier: str(contracts.write(tmp_path / tier, [tier])) for tier in (newer.TIER, "5s")}
    older = own.fleet.environment = {**own.fleet.environment, "TOCSIN_CONTRACTS": schedules["5s"]}
    refusing = threading.Event()
    refusing.set()
    hasten(own, "delivery")
    waiting = f"{own.topics.prefix}.delay.{newer.TIER}"
    assert waiting not in {spec.name for spec in Topics(own.topics.prefix).specs(())}
    with receiving(refusing) as receiver:
        subscription = own.subscription(receiver.url, secret=SECRET)
        records = own.deliveries(subscription, 12)
        own.start("delay")
        upgraded = {newer.VARIABLE: "consumers.delivery", "TOCSIN_CONTRACTS": schedules[newer.TIER]}
        fatal = {failpoints.VARIABLE: "delivery.after_decision:#5", failpoints.PERMISSION: "1"}
        victim = own.another("newer", **upgraded, **fatal)
        own.write(*records)
        await_death(victim)
        before = decided(own)
        own.another("delivery")
        own.wait_for(waiting, lambda message: True, count=len(before))
        own.another("newer", **older, **{newer.VARIABLE: "consumers.delay"})
        receiver.wait_for(2 * len(records), 40.0)
        own.wait_for(own.topics.attempts, is_delivered, count=len(records))
        requests = receiver.settle(1.0)
    assert before
    assert len({header(message, "tocsin_delivery_id") for message in own.read(waiting)}) == len(before)
    after = decided(own)
    assert len(after) == len(records)
    for delivery_id, verdicts in after.items():
        # What the dead one had sent and not yet decided was sent again, and taken.
        assert verdicts in (
            [["retry", "delivered"]] if delivery_id in before else [["retry", "delivered"], ["delivered"]]
        )
    ids = {dict(record.headers)["ce_id"].decode(): dict(record.headers) for record in records}  # type: ignore[union-attr]
    for event, count in Counter(json.loads(request.body)["id"] for request in requests).items():
        decided_before = ids[event]["tocsin_delivery_id"].decode() in before  # type: ignore[union-attr]
        assert count == 2 or (count == 3 and not decided_before), "what was decided was sent again"


def is_delivered(message: object) -> bool:
    _, _, packed = deliveries.read_decision(message.headers())  # type: ignore[attr-defined]
    return deliveries.unpack_decision(packed).verdict == "delivered"
