"""What waits in a delay tier, against a real Kafka: never early, hardly late, never lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from confluent_kafka import Message

from deploy.local.stack import Stack
from tests.harness.installation import Installation, header, installation
from tests.harness.records import waiting
from tocsin import tiers
from tocsin.deliveries import Progress, read_progress
from tocsin.kafka.writer import Outgoing

SHORTEST_MS = tiers.seconds(tiers.SHORTEST) * 1000


def by_delivery(messages: Sequence[Message]) -> dict[str, Message]:
    """Return records by their delivery id."""
    return {header(message, "tocsin_delivery_id") or "": message for message in messages}


def lateness_ms(own: Installation, sent_on: Sequence[Message]) -> list[int]:
    """Return how long after it was due each record was written on, shortest first."""
    waited = by_delivery(own.read(own.topics.delay(tiers.SHORTEST)))
    return sorted(
        message.timestamp()[1] - waited[name].timestamp()[1] - SHORTEST_MS
        for name, message in by_delivery(sent_on).items()
    )


def anything(message: Message) -> bool:
    return True


def named(prefix: str) -> Callable[[Message], bool]:
    """Return a predicate: records of deliveries whose id begins with `prefix`."""
    return lambda message: (header(message, "tocsin_delivery_id") or "").startswith(prefix)


@pytest.fixture(scope="module")
def delaying(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a delay program, for tests that kill nothing; each has its own deliveries."""
    with installation(stack, tmp_path_factory.mktemp("delaying")) as made:
        made.start("delay")
        yield made


def test_nothing_is_early_and_hardly_anything_late(delaying: Installation) -> None:
    progress = Progress(step=1, attempt=1)
    delaying.write(*(waiting(delaying, "5s", f"punctual{number}", progress) for number in range(200)))
    sent_on = delaying.wait_for(delaying.topics.redeliveries, named("punctual"), count=200)
    late = lateness_ms(delaying, sent_on)
    assert late[0] >= 0
    assert late[197] < 250


def test_due_record_is_sent_on_unchanged_but_for_its_hop(delaying: Installation) -> None:
    progress = Progress(run="job", step=4, attempt=2, last_status=503, last_error="busy")
    delaying.write(waiting(delaying, "5s", "unchanged", progress))
    (message,) = delaying.wait_for(delaying.topics.redeliveries, named("unchanged"))
    assert (message.key(), message.value()) == (b"sub-unchanged", b"the value of unchanged")
    assert (header(message, "ce_id"), header(message, "traceparent")) == ("unchanged", "00-11-22-01")
    assert read_progress(message.headers()) == progress  # type: ignore[arg-type]


def test_who_waits_for_longer_than_a_tier_goes_on_to_the_next(delaying: Installation) -> None:
    delaying.write(waiting(delaying, "5s", "long", Progress(step=1, remaining_s=30)))
    (message,) = delaying.wait_for(delaying.topics.delay("25s"), named("long"))
    assert read_progress(message.headers()) == Progress(step=2, remaining_s=5)  # type: ignore[arg-type]


def test_poison_is_quarantined_at_once_and_what_follows_goes_on(delaying: Installation) -> None:
    """One subscription's records share a partition: what follows the poison lies behind it."""
    topic = delaying.topics.delay("5s")
    poison: list[tuple[list[tuple[str, bytes | None]], str]] = [
        ([("tocsin_delivery_id", b"x"), ("tocsin_step", b"-1")], "tocsin_step is not a number"),
        ([("tocsin_delivery_id", b"x"), ("tocsin_run", b"\xff")], "tocsin_run is not UTF-8"),
        ([("tocsin_step", b"1")], "tocsin_delivery_id is missing"),
    ]
    written = delaying.write(
        *(Outgoing(topic, b"sub-behind", b"poison", headers) for headers, _ in poison),
        waiting(delaying, "5s", "behind", Progress(step=1)),
    )
    found = delaying.wait_for(delaying.topics.quarantine, anything, count=len(poison))
    assert {header(message, "tocsin_source"): header(message, "tocsin_reason") for message in found} == {
        f"{topic}/{where.partition}/{where.offset}": f"header {reason}"
        for where, (_, reason) in zip(written, poison, strict=False)
    }
    delaying.wait_for(delaying.topics.redeliveries, named("behind"))


def test_nothing_is_lost_or_early_when_it_is_killed_in_mid_wait(own: Installation) -> None:
    own.start("delay")
    own.write(*(waiting(own, "5s", f"d{number}", Progress(step=1)) for number in range(300)))
    own.wait_for(own.topics.delay("5s"), anything, count=300)
    own.fleet.programs[0].kill()
    own.another("delay")
    sent_on = own.wait_for(own.topics.redeliveries, anything, count=300, timeout_s=40.0)
    assert len(by_delivery(sent_on)) == 300
    assert lateness_ms(own, sent_on)[0] >= 0


def test_nothing_is_repeated_when_copies_join_and_stop_in_mid_wait(own: Installation) -> None:
    own.start("delay")
    first = own.fleet.programs[0]
    own.write(*(waiting(own, "5s", f"d{number}", Progress(step=1)) for number in range(300)))
    own.another("delay")
    own.wait_for(own.topics.redeliveries, anything, count=20)
    first.stop()
    own.wait_for(own.topics.redeliveries, anything, count=300)
    own.fleet.stop()
    met = Counter(header(message, "tocsin_delivery_id") for message in own.read(own.topics.redeliveries))
    assert len(met) == 300
    assert met.total() == 300
