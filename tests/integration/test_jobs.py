"""Jobs against a real Kafka: purged, paused, cancelled, side by side, recovered, and a hundred thousand letters."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from confluent_kafka import Message

from control import newest
from tests.harness.command import Command
from tests.harness.crash import await_death, doomed, hasten
from tests.harness.installation import Installation, header
from tests.harness.jobs import ask, reach
from tests.harness.records import deliveries_of, letter, replayed
from tocsin import Publisher, deliveries
from tocsin.deliveries import Attempt, Decision, Delivery, Progress, Source, Verdict
from tocsin.jobs import ENDED, JobControl, Wanted
from tocsin.kafka import clients, groups, pipeline, snapshot
from tocsin.kafka.jobrows import JobRows
from tocsin.kafka.writer import Outgoing
from tocsin.selection import Selection
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

LETTERS = 100_000


def steer(own: Installation, job: str, wanted: Wanted) -> None:
    """Say what is wanted of a job."""
    own.write(JobRows(own.registry, own.topics).control(JobControl(job, wanted, "tests", 0)))


def runs_of(messages: Iterable[Message]) -> Counter[tuple[str | None, str | None]]:
    """Return how often each delivery stands among records, by its job."""
    return Counter((header(m, "tocsin_delivery_id"), header(m, "tocsin_run")) for m in messages)


def test_jobs_side_by_side_wait_end_and_honour_purges(own: Installation) -> None:
    """A slow job that is paused holds up no other one; cancelled it ends; what was purged nobody sees again."""
    own.start("replay")
    written = own.write(*(letter(own, f"d{number}", f"s{number % 3}") for number in range(60)))
    counted = {str(each.partition): each.offset + 1 for each in written}
    own.write(letter(own, "late", "s0"))
    purge = ask(own, Selection(subscription_id="s0"), kind="purge", end_offsets=counted)
    assert reach(own, purge, "done").selected == 20
    slow = ask(own, rate_per_s=10.0)
    own.wait_for(own.topics.redeliveries, lambda message: True, count=3)
    steer(own, slow, "pause")
    paused = reach(own, slow, "paused")
    assert (paused.selected, paused.replayed) == (41, len(replayed(own)))
    quick = ask(own, Selection(subscription_id="s1"))
    unfinished = ask(own, Selection(subscription_id="s2"), rate_per_s=5.0)
    assert reach(own, quick, "done").replayed == 20
    steer(own, unfinished, "cancel")
    cancelled = reach(own, unfinished, *ENDED)
    assert cancelled.state == "cancelled"
    steer(own, slow, "run")
    assert reach(own, slow, "done").replayed == 41
    met = runs_of(replayed(own))
    assert set(met.values()) == {1}
    assert {name for name, job in met if job == slow} == {
        "late",
        *(f"d{number}" for number in range(60) if number % 3),
    }
    assert sum(job == unfinished for _, job in met) == cancelled.replayed < 20
    places = sorted(map(newest.place, own.read(own.topics.dlq)), reverse=True)
    for number in (None, 0, 17, 60):
        before = None if number is None else places[number]
        found = newest.newest(own.settings, own.topics.dlq, before=before, block=4)
        assert [newest.place(each) for each in found] == [
            place for place in places if before is None or place < before
        ]


def test_recovery_delivers_what_was_never_delivered_and_nothing_else_through_a_kill(
    own: Installation,
) -> None:
    """Also what happened before the endpoint subscribed, and what was dead-lettered; not what is on its way."""
    tocsin = Command(own)
    hasten(own, "replay")
    own.start("router")
    victim = doomed(own, "replay", "replay.half_way", 2)
    published = publish(own, "acme", 4)
    publish(own, "umbrella", 1)
    subscription = own.subscription("http://127.0.0.1:9/", event_types=("drift.*",))
    while not own.read(own.topics.deliveries):
        published += publish(own, "acme", 1)  # until the router knows the subscription
    published += publish(own, "acme", 2)
    routed = when_routed(own)
    assert 3 <= len(routed) <= len(published) - 4
    decide(own, subscription, routed, ("delivered", "dead_letter"))
    which = ("--webhook", subscription.id, "--since", "5m")
    missing = {row["event_id"]: row["state"] for row in tocsin.json("deliveries", "missing", *which)}
    asked = tocsin.json("recover", *which, "--why", "new", "--yes", "--no-wait", "--rate", "4")
    await_death(victim)
    steer(own, asked["job"], "pause")
    own.another("replay")
    reach(own, asked["job"], "paused")
    # What the job itself set going is delivered meanwhile; it means the same when it goes on.
    sent = replayed(own)
    assert 1 <= len(sent) <= 2
    decide(own, subscription, sent, ("delivered", "delivered"))
    steer(own, asked["job"], "run")
    progress = reach(own, asked["job"], "done")
    again = {header(message, "ce_id"): message for message in replayed(own)}
    left_alone = {header(message, "ce_id") for message in (routed[0], *routed[2:])}
    assert again.keys() == set(published) - left_alone
    assert len(replayed(own)) == len(again) == progress.replayed == progress.selected
    states = dict.fromkeys(published, "never")
    states |= {header(message, "ce_id") or "": "waiting" for message in routed}
    states[header(routed[1], "ce_id") or ""] = "dead"
    del states[header(routed[0], "ce_id") or ""]
    assert missing == states
    dead = again[header(routed[1], "ce_id")]
    assert (dead.key(), dead.value()) == (routed[1].key(), routed[1].value())
    assert header(dead, "tocsin_delivery_id") == header(routed[1], "tocsin_delivery_id")


def publish(own: Installation, organization: str, count: int) -> list[str]:
    """Publish events and return their ids."""
    example = load_systems()["governlayer"].event_types["drift.alert"].example
    with Publisher("governlayer", source="/tests", settings=own.settings) as publisher:
        return [
            publisher.publish("drift.alert", example, organization=organization).event_id
            for _ in range(count)
        ]


def when_routed(own: Installation) -> list[Message]:
    """Return the deliveries once the router is done with every event."""
    topic, deadline_s = own.topics.events("governlayer"), time.monotonic() + 20.0
    ends = {part: end for part, end in snapshot.ends(own.settings, topic).items() if end}
    while groups.committed(own.settings, own.topics.group("router")).get(topic) != ends:
        assert time.monotonic() < deadline_s, "the router is not done"
    return own.read(own.topics.deliveries)


def decide(
    own: Installation, subscription: Subscription, routed: list[Message], verdicts: tuple[Verdict, ...]
) -> None:
    """Write what became of the first of some deliveries."""
    encode = pipeline.encoder(own.registry, own.topics, "attempt")
    decode = pipeline.decoder(own.registry, "delivery")
    for message, verdict in zip(routed, verdicts, strict=False):
        delivery: Delivery = deliveries.from_record(decode(message.value()).record)
        source = Source(own.topics.deliveries, message.partition() or 0, message.offset() or 0)
        decision = Decision(verdict, progress=Progress())
        attempt = Attempt(delivery, Progress(), decision, source, delivery.event_time)
        identity = deliveries.identity(delivery.delivery_id, Progress())
        headers = deliveries.decision_headers(identity, source, decision)
        value = encode(deliveries.attempt_record(attempt))
        own.write(Outgoing(own.topics.attempts, subscription.id.encode(), value, headers))


def test_tenth_of_a_hundred_thousand_is_replayed_once_through_two_kills(own: Installation) -> None:
    """Three filters, a crash before and after a checkpoint: exactly those that are meant, each once."""
    produce(own)
    selection = Selection(event_type="drift.*", reason="exhausted", error_text="HTTP 503")
    hasten(own, "replay")
    own.start("replay")
    job = ask(own, selection, rate_per_s=4_000.0)
    for count in (2_500, 6_500):
        own.wait_for(own.topics.redeliveries, lambda message: True, count=count)
        own.fleet.programs[-1].kill()
        own.another("replay")
    progress = reach(own, job, *ENDED, timeout_s=60.0)
    assert (progress.state, progress.selected, progress.replayed) == ("done", 10_000, 10_000)
    assert deliveries_of(replayed(own)) == Counter(f"d{number}" for number in range(0, LETTERS, 10))


def produce(own: Installation) -> None:
    """Write a hundred thousand dead letters; three filters mean every tenth, each of the others fails one of them."""
    producer = clients.producer(own.settings, linger_ms=20)
    for number in range(LETTERS):
        digit = number % 10
        made = letter(own, f"d{number}", f"s{number % 50}", "gone" if 4 <= digit <= 6 else "exhausted")
        headers = dict(made.headers) | {
            "ce_type": b"scan.failed" if 1 <= digit <= 3 else b"drift.alert",
            "tocsin_last_error": b"HTTP 500" if digit >= 7 else b"HTTP 503",
        }
        while True:
            try:
                producer.produce(made.topic, made.value, made.key, headers=list(headers.items()))
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1_000 == 0:
            producer.poll(0)
    assert producer.flush(30.0) == 0
    assert sum(snapshot.ends(own.settings, own.topics.dlq).values()) == LETTERS
