"""Delivery against a real Kafka and a real receiver: one test per arrow that leaves it, and its stops and crashes."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from consumers.delivery.breaker import ENDPOINTS_MIN
from deploy.local.demo import verification
from deploy.local.demo.receiver import Received
from deploy.local.stack import Stack
from tests.harness.installation import Installation, free_port, header, installation
from tests.harness.receiver import Receiver
from tocsin import deliveries
from tocsin.deliveries import Progress
from tocsin.kafka import pipeline
from tocsin.kafka.writer import Outgoing
from tocsin.wire.systems import load_systems

SECRET = "0123456789abcdef0123456789abcdef"
SCHEDULE = load_systems()["governlayer"].retries


@pytest.fixture(scope="module")
def running(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with one delivery consumer and nothing else."""
    with installation(stack, tmp_path_factory.mktemp("delivery")) as made:
        made.start("delivery")
        yield made


def verified(request: Received) -> None:
    """Verify as GovernLayer's documents tell its customers."""
    assert verification.governlayer(request.headers, request.body, SECRET), "wrong signature"


def dead_letter(made: Installation, subscription_id: str) -> dict[str, str | None]:
    """Wait for a subscription's dead letter and return the headers that tell of it."""
    (letter,) = made.wait_for(made.topics.dlq, lambda message: message.key() == subscription_id.encode())
    names = (
        "tocsin_reason",
        "tocsin_fault",
        "tocsin_attempt",
        "tocsin_last_status",
        "__connect.errors.topic",
        "ce_id",
    )
    return {name: header(letter, name) for name in names}


def test_delivery_is_signed_sent_and_recorded(running: Installation) -> None:
    with Receiver(verify=verified) as receiver:
        subscription = running.subscription(receiver.url, secret=SECRET)
        (record,) = running.deliveries(subscription)
        running.write(record)
        (request,) = receiver.wait_for(1)
        (attempt,) = running.wait_for(running.topics.attempts, lambda m: m.key() == subscription.id.encode())
    assert request.headers["content-type"] == "application/json"
    decoded = pipeline.decoder(running.registry, "attempt")(attempt.value()).record
    assert (decoded["verdict"], decoded["status"], decoded["attempt"], decoded["posted"]) == (
        "delivered",
        200,
        1,
        True,
    )
    assert header(attempt, "tocsin_identity") == f"{decoded['delivery_id']}:0:0"
    assert SECRET not in str(decoded)


def test_failed_delivery_goes_to_the_schedules_first_tier_with_the_same_bytes(running: Installation) -> None:
    with Receiver(verify=verified, answer=lambda request, earlier: (500, {})) as receiver:
        subscription = running.subscription(receiver.url, secret=SECRET)
        (record,) = running.deliveries(subscription)
        running.write(record)
        topic = running.topics.delay(SCHEDULE[0])
        (waiting,) = running.wait_for(topic, lambda m: m.key() == subscription.id.encode())
    assert waiting.value() == record.value
    assert header(waiting, "ce_id") == dict(record.headers)["ce_id"].decode()  # type: ignore[union-attr]
    progress = deliveries.read_progress(waiting.headers())  # type: ignore[arg-type]
    assert (progress.step, progress.attempt, progress.last_status) == (1, 1, 500)


def test_retry_after_chooses_a_longer_tier_and_keeps_the_rest(running: Installation) -> None:
    with Receiver(
        verify=verified, answer=lambda request, earlier: (429, {"Retry-After": "8000"})
    ) as receiver:
        subscription = running.subscription(receiver.url, secret=SECRET)
        running.write(*running.deliveries(subscription))
        (waiting,) = running.wait_for(
            running.topics.delay("2h"), lambda m: m.key() == subscription.id.encode()
        )
    assert deliveries.read_progress(waiting.headers()).remaining_s == 800  # type: ignore[arg-type]


def test_delivery_is_dead_lettered_when_its_schedule_is_spent(running: Installation) -> None:
    with Receiver(verify=verified, answer=lambda request, earlier: (503, {})) as receiver:
        subscription = running.subscription(receiver.url, secret=SECRET)
        running.write(*running.deliveries(subscription, progress=Progress(step=9, attempt=len(SCHEDULE))))
        letter = dead_letter(running, subscription.id)
    assert letter["tocsin_reason"] == "exhausted"
    assert letter["tocsin_fault"] == "subscriber"
    assert letter["tocsin_attempt"] == str(len(SCHEDULE) + 1)
    assert letter["__connect.errors.topic"] == running.topics.deliveries
    assert letter["ce_id"] is not None


def test_410_is_dead_lettered_as_gone_at_once(running: Installation) -> None:
    with Receiver(verify=verified, answer=lambda request, earlier: (410, {})) as receiver:
        subscription = running.subscription(receiver.url, secret=SECRET)
        running.write(*running.deliveries(subscription))
        assert dead_letter(running, subscription.id)["tocsin_reason"] == "gone"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"active": False, "inactive_reason": "switched off"}, "disabled"),
        ({"url": "http://10.0.0.1/hook"}, "blocked_destination"),
        ({"secrets": ()}, "no_secret"),
    ],
)
def test_delivery_that_may_not_be_sent_is_dead_lettered_with_the_reason(
    running: Installation, changes: dict[str, object], reason: str
) -> None:
    with Receiver(verify=verified) as receiver:
        fields: dict[str, Any] = {"url": receiver.url, "secret": SECRET} | changes
        subscription = running.subscription(**fields)
        running.write(*running.deliveries(subscription))
        assert dead_letter(running, subscription.id)["tocsin_reason"] == reason
        assert not receiver.requests


def test_deleted_subscription_is_certain_before_its_delivery_is_dead_lettered(running: Installation) -> None:
    with Receiver(verify=verified) as receiver:
        subscription = running.subscription(receiver.url, secret=SECRET)
        records = running.deliveries(subscription)
        running.write(Outgoing(running.topics.subscriptions, subscription.id.encode(), None))
        running.write(*records)
        assert dead_letter(running, subscription.id)["tocsin_reason"] == "gone"


@pytest.mark.parametrize(
    "value",
    [b"{}", b"\x00\x00\x00", b"\x00\xff\xff\xff\xffxx", None],
    ids=["magic byte", "cut", "schema id", "null"],
)
def test_undecodable_delivery_is_quarantined_and_the_next_one_is_sent(
    running: Installation, value: bytes | None
) -> None:
    with Receiver(verify=verified) as receiver:
        subscription = running.subscription(receiver.url, secret=SECRET)
        poison = Outgoing(
            running.topics.deliveries, subscription.id.encode(), value, [("mark", subscription.id.encode())]
        )
        running.write(poison, *running.deliveries(subscription))
        receiver.wait_for(1)
    decode = pipeline.decoder(running.registry, "quarantined")

    def is_ours(message: object) -> bool:
        record = decode(message.value()).record  # type: ignore[attr-defined]
        return {"name": "mark", "value": subscription.id.encode()} in record["headers"]

    (set_aside,) = running.wait_for(running.topics.quarantine, is_ours)
    record = decode(set_aside.value()).record
    assert record["value"] == value
    assert record["reason"]


def test_copy_of_a_delivery_is_sent_once(running: Installation) -> None:
    with Receiver(verify=verified) as receiver:
        subscription = running.subscription(receiver.url, secret=SECRET)
        (record,) = running.deliveries(subscription)
        running.write(
            record,
            record,
            record._replace(topic=running.topics.redeliveries),
            *running.deliveries(subscription),
        )
        requests = receiver.wait_for(2)
        requests = receiver.settle(1.0)
    assert sorted(Counter(request.body for request in requests).values()) == [1, 1]


def test_sigterm_under_load_repeats_nothing_and_loses_nothing(own: Installation) -> None:
    """Three processes share the work; one is stopped, one joins: every delivery is sent exactly once."""
    with Receiver(verify=verified) as receiver:
        subscribed = [own.subscription(receiver.url, secret=SECRET) for _ in range(8)]
        records = [record for each in subscribed for record in own.deliveries(each, 150)]
        own.start("delivery", "delivery")
        writing = threading.Thread(target=own.write, args=records)
        writing.start()
        receiver.wait_for(150)
        own.fleet.programs[0].stop()
        own.another("delivery")
        receiver.wait_for(700)
        own.fleet.programs[1].stop()
        writing.join()
        receiver.wait_for(len(records), 60)
        requests = receiver.settle(2.0)
    counts = Counter(request.body for request in requests)
    assert len(counts) == len(records)
    assert set(counts.values()) == {1}


def test_kill_loses_nothing_and_repeats_only_the_same_bytes_of_what_was_open(own: Installation) -> None:
    """A killed process is replaced within its session; what was decided in the log is not sent again."""
    with Receiver(verify=verified) as receiver:
        subscribed = [own.subscription(receiver.url, secret=SECRET) for _ in range(4)]
        records = [record for each in subscribed for record in own.deliveries(each, 200)]
        own.start("delivery", "delivery")
        writing = threading.Thread(target=own.write, args=records)
        writing.start()
        receiver.wait_for(300)
        own.fleet.programs[0].kill()
        decided = {header(message, "ce_id") for message in own.read(own.topics.attempts)}
        looked_at = time.monotonic()
        writing.join()
        receiver.wait_for(len(records), 60)
        own.wait_for(own.topics.attempts, lambda message: True, count=len(records), timeout_s=60)
        requests = receiver.settle(2.0)
    counts = Counter(request.body for request in requests)
    assert len(counts) == len(records), "lost"
    assert max(counts.values()) <= 2, "one crash, so at most one repeat"
    later = {json.loads(request.body)["id"] for request in requests if request.at > looked_at}
    assert decided, "it was killed before it had done anything"
    assert later & decided == set(), "a decided delivery was sent again"


def test_interrupted_post_is_decided_at_the_deadline_and_comes_back(own: Installation) -> None:
    """A POST that hangs at SIGTERM is cut at the deadline, spends no attempt, and waits in the shortest tier."""
    released = threading.Event()

    def hang(request: Received, earlier: int) -> tuple[int, dict[str, str]]:
        released.wait(30)
        return 200, {}

    with Receiver(verify=verified, answer=hang) as receiver:
        subscription = own.subscription(receiver.url, secret=SECRET)
        own.fleet.environment = {**own.fleet.environment, "TOCSIN_STOP_DEADLINE_S": "2"}
        own.start("delivery")
        own.write(*own.deliveries(subscription))
        receiver.wait_for(1)
        own.fleet.programs[0].stop()
        (waiting,) = own.wait_for(own.topics.delay("5s"), lambda m: m.key() == subscription.id.encode())
        (attempt,) = own.read(own.topics.attempts)
        released.set()
    told = pipeline.decoder(own.registry, "attempt")(attempt.value()).record
    assert (told["verdict"], told["subscription_generation"]) == ("interrupted", subscription.generation)
    progress = deliveries.read_progress(waiting.headers())  # type: ignore[arg-type]
    assert (progress.attempt, progress.step) == (0, 1)


def test_outage_of_our_own_makes_deliveries_wait_instead_of_dead_lettering_the_world(
    own: Installation,
) -> None:
    """Every endpoint refuses the connection at once: after the first few that shows, and nobody's schedule is spent."""
    nobody = f"http://127.0.0.1:{free_port()}/hook"
    subscribed = [own.subscription(nobody, secret=SECRET) for _ in range(ENDPOINTS_MIN + 6)]
    last_try = Progress(step=9, attempt=len(SCHEDULE))
    own.start("delivery")
    own.write(*(record for each in subscribed for record in own.deliveries(each, progress=last_try)))
    waiting = own.wait_for(own.topics.delay("5s"), lambda message: True, count=7)
    assert all(header(message, "tocsin_attempt") == str(last_try.attempt) for message in waiting)
    assert len(own.read(own.topics.dlq)) == ENDPOINTS_MIN - 1
    with Receiver(verify=verified) as receiver:
        up = own.subscription(receiver.url, secret=SECRET)
        own.write(*own.deliveries(up))
        receiver.wait_for(1)
