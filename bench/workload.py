"""What benchmarks send: subscriptions, and delivery records as the router would write them."""

from __future__ import annotations

import base64
import itertools
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from tests.harness.installation import Installation
from tocsin import deliveries, secrets, subscriptions
from tocsin.deliveries import Delivery, Progress
from tocsin.kafka import pipeline
from tocsin.kafka.codec import Headers
from tocsin.kafka.writer import Outgoing, Writer
from tocsin.subscriptions import Subscription

SYSTEM: Final = "governlayer"
ORGANIZATION: Final = "bench"
BODY_BYTES: Final = 500
TICK_S: Final = 0.002
_NOISE: Final = base64.b64encode(os.urandom(1 << 18)).decode()
"""Events are not all alike: compression must not find more than it would in real ones."""
WINDOW_OPEN_MOST: Final = 50_000


def subscribe(made: Installation, urls: Sequence[str]) -> list[Subscription]:
    """Write one subscription for each URL and return them."""
    keyring, now_ms = secrets.load_keyring(made.settings), now()
    encode = pipeline.encoder(made.registry, made.topics, "subscription")
    planned = []
    for url in urls:
        plain = Subscription(
            id=f"wh_{uuid.uuid4().hex[:24]}",
            organization=ORGANIZATION,
            system=SYSTEM,
            url=url,
            event_types=("*",),
            created_at=int(now_ms),
            updated_at=int(now_ms),
            effective_at=int(now_ms),
        )
        sealed = keyring.seal(
            os.urandom(32).hex(),
            topic=made.topics.subscriptions,
            organization=plain.organization,
            subscription=plain.id,
            secret_id="s1",
            now_ms=int(now_ms),
        )
        planned.append(replace(plain, secrets=(sealed,)))
    records = [
        Outgoing(made.topics.subscriptions, one.id.encode(), encode(subscriptions.to_record(one)))
        for one in planned
    ]
    offsets = write_all(made, records)
    return [replace(one, offset=offset) for one, offset in zip(planned, offsets, strict=True)]


class Maker:
    """Makes delivery records of new events."""

    def __init__(self, made: Installation) -> None:
        self._encode = pipeline.encoder(made.registry, made.topics, "delivery")
        self._topic = made.topics.deliveries
        self._batch = uuid.uuid4().hex[:8]
        self._numbers = itertools.count()

    def __call__(self, subscription: Subscription, progress: Progress | None = None) -> Outgoing:
        """Return the record of one new event, handed over now."""
        event_id, at_ms = f"{self._batch}-{next(self._numbers)}", now()
        delivery_id = str(deliveries.delivery_id("/bench", "drift.alert", event_id, subscription.id))
        delivery = Delivery(
            delivery_id=delivery_id,
            organization=subscription.organization,
            subscription_id=subscription.id,
            subscription_offset=subscription.offset,
            system=subscription.system,
            format=subscription.format,
            event_id=event_id,
            event_source="/bench",
            event_type="drift.alert",
            event_time=int(at_ms),
            content_type="application/json",
            headers=(("User-Agent", "GovernLayer-Webhooks/1.0"), ("X-GovernLayer-Event", "drift.alert")),
            body=body(event_id, at_ms),
        )
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id.encode()),
            ("ce_source", b"/bench"),
            ("ce_type", b"drift.alert"),
            ("ce_time", b"2026-01-01T00:00:00Z"),
            ("tocsin_delivery_id", delivery_id.encode()),
            *deliveries.progress_headers(progress or Progress()),
        ]
        value = self._encode(deliveries.to_record(delivery))
        return Outgoing(self._topic, subscription.id.encode(), value, headers)


def steadily(writer: Writer, make: Callable[[], Outgoing], per_second: float, seconds: float) -> float:
    """Write records at a fixed rate; return when that began, milliseconds since the epoch.

    A writer takes half a second before its first record is written: use the one that warmed up.
    """
    sent, begun_ms, started_s = 0, now(), time.monotonic()
    while (passed_s := time.monotonic() - started_s) < seconds:
        while sent < passed_s * per_second:
            writer.write(make(), _must_be_written)
            sent += 1
        writer.check()
        time.sleep(TICK_S)
    assert writer.flush(30.0), "not acknowledged"
    return begun_ms


def write_all(made: Installation, records: Iterable[Outgoing]) -> list[int]:
    """Write records and return their offsets, in their order, once all are acknowledged."""
    writer, offsets = Writer(made.settings, linger_ms=20.0), dict[int, int]()

    def noting(number: int) -> Callable[[Any], None]:
        def note(written: Any) -> None:
            _must_be_written(written)
            offsets[number] = written.offset

        return note

    try:
        for number, record in enumerate(records):
            while writer.outstanding > WINDOW_OPEN_MOST:
                time.sleep(0.01)
            writer.write(record, noting(number))
        assert writer.flush(60.0), "not acknowledged"
        writer.check()
    finally:
        writer.close()
    return [offsets[number] for number in range(len(offsets))]


def in_turn(subscriptions_: Sequence[Subscription]) -> Iterator[Subscription]:
    """Yield subscriptions in turn, without end."""
    return itertools.cycle(subscriptions_)


def verdicts(made: Installation, of: Iterable[Subscription] | None = None) -> Counter[str]:
    """Return how often what was decided about deliveries, of some subscriptions or of all."""
    ids = None if of is None else {one.id.encode() for one in of}
    return Counter(
        deliveries.unpack_decision(deliveries.read_decision(cast(Headers, message.headers()))[2]).verdict
        for message in made.read(made.topics.attempts)
        if ids is None or message.key() in ids
    )


def now() -> float:
    """Return the time, milliseconds since the epoch."""
    return time.time_ns() / 1e6


def _must_be_written(written: Any) -> None:
    if written.error is not None:
        raise RuntimeError(f"not written: {written.error}")


def body(event_id: str, at_ms: float) -> bytes:
    """Return a body of `BODY_BYTES` that says when its event was handed over."""
    head = f'{{"id": "{event_id}", "at":{at_ms:.3f}, "pad": "'
    return (head + noise(hash(event_id), BODY_BYTES - len(head) - 2) + '"}').encode()


def noise(number: int, length: int) -> str:
    """Return text that is hardly like that of another number."""
    start = number * 7_919 % (len(_NOISE) - length)
    return _NOISE[start : start + length]
