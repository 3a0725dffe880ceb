"""What waits in a delay tier, against a real Kafka: never early, hardly late, never lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from confluent_kafka import Message

from tests.harness.installation import Installation, header
from tocsin import tiers
from tocsin.deliveries import Progress, progress_headers, read_progress
from tocsin.kafka.writer import Outgoing

SHORTEST_MS = tiers.seconds(tiers.SHORTEST) * 1000


def waiting(own: Installation, tier: str, name: str, progress: Progress) -> Outgoing:
    """Return a record that waits in a tier, as the delivery program writes it."""
    return Outgoing(
        own.topics.delay(tier),
        b"sub-" + name.encode(),
        b"the value of " + name.encode(),
        [
            ("ce_id", name.encode()),
            ("traceparent", b"00-11-22-01"),
            ("tocsin_delivery_id", name.encode()),
            *progress_headers(progress),
        ],
    )


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


def test_nothing_is_early_and_hardly_anything_late(own: Installation) -> None:
    own.start("delay")
    own.write(*(waiting(own, "5s", f"d{number}", Progress(step=1, attempt=1)) for number in range(200)))
    sent_on = own.wait_for(own.topics.redeliveries, anything, count=200)
    late = lateness_ms(own, sent_on)
    assert late[0] >= 0
    assert late[197] < 250


def test_due_record_is_sent_on_unchanged_but_for_its_hop(own: Installation) -> None:
    own.start("delay")
    progress = Progress(run="job", step=4, attempt=2, last_status=503, last_error="busy")
    own.write(waiting(own, "5s", "d", progress))
    (message,) = own.wait_for(own.topics.redeliveries, anything)
    assert (message.key(), message.value()) == (b"sub-d", b"the value of d")
    assert (header(message, "ce_id"), header(message, "traceparent")) == ("d", "00-11-22-01")
    assert read_progress(message.headers()) == progress  # type: ignore[arg-type]


def test_who_waits_for_longer_than_a_tier_goes_on_to_the_next(own: Installation) -> None:
    own.start("delay")
    own.write(waiting(own, "5s", "d", Progress(step=1, remaining_s=30)))
    (message,) = own.wait_for(own.topics.delay("25s"), anything)
    assert read_progress(message.headers()) == Progress(step=2, remaining_s=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("tocsin_delivery_id", b"x"), ("tocsin_step", b"-1")], id="step is no number"),
        pytest.param([("tocsin_delivery_id", b"x"), ("tocsin_run", b"\xff")], id="run is not UTF-8"),
        pytest.param([("tocsin_step", b"1")], id="no delivery id"),
    ],
)
def test_poison_is_quarantined_and_what_follows_goes_on(
    own: Installation, headers: list[tuple[str, bytes | None]]
) -> None:
    own.start("delay")
    poison = Outgoing(own.topics.delay("5s"), b"sub-d", b"poison", headers)
    own.write(poison, waiting(own, "5s", "d", Progress(step=1)))
    (message,) = own.wait_for(own.topics.quarantine, anything)
    assert (header(message, "tocsin_source") or "").startswith(own.topics.delay("5s") + "/")
    assert by_delivery(own.wait_for(own.topics.redeliveries, anything)).keys() == {"d"}


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
