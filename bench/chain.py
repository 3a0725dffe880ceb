"""The limit of latency: two hops through Kafka and one POST, nothing else: python -m bench.chain FIRST SECOND URL COUNT PER_SECOND

One record after the other: a producer, a consumer and a producer, a consumer and a POST, with clients made like
everybody's. Prints one JSON object: when the sending began, milliseconds since the epoch.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvloop
from confluent_kafka import TopicPartition

from bench import child, workload
from consumers.delivery.client import DeliveryClient
from consumers.delivery.outcome import Answered
from tocsin import settings as settings_module
from tocsin.destinations import Policy
from tocsin.kafka import clients
from tocsin.settings import Settings

AT_EVERY_END_S: Final = 10.0
FINE_S: Final = 0.0005


@contextmanager
def _consuming(settings: Settings, topic: str, take: Callable[[Any], None]) -> Iterator[None]:
    """Hand every record that comes from now on to `take`, on a thread."""
    consumer, over, known = clients.plain_consumer(settings), threading.Event(), threading.Event()
    partitions = consumer.list_topics(topic, timeout=AT_EVERY_END_S).topics[topic].partitions
    ends = [
        TopicPartition(topic, number, consumer.get_watermark_offsets(TopicPartition(topic, number))[1])
        for number in partitions
    ]
    consumer.assign(ends)

    def run() -> None:
        while not over.is_set():
            message = consumer.poll(0.1)
            known.set()
            if message is not None and message.error() is None:
                take(message)

    thread = threading.Thread(target=run, name=topic, daemon=True)
    thread.start()
    known.wait(AT_EVERY_END_S)
    try:
        yield
    finally:
        over.set()
        thread.join()
        consumer.close()


async def _run(first: str, second: str, url: str, count: int, per_second: float) -> dict[str, float]:
    settings, loop = settings_module.load(), asyncio.get_running_loop()
    source, relay = clients.producer(settings), clients.producer(settings)
    posted: asyncio.Queue[Any] = asyncio.Queue()
    policy = Policy.of(allow_http=True, allow_cidrs=("127.0.0.0/8",))

    def forward(message: Any) -> None:
        relay.produce(second, value=message.value(), key=message.key())
        relay.poll(0)

    async with DeliveryClient(policy) as client:

        async def post(body: bytes) -> None:
            outcome = await client.post(url=url, headers=(), body=body, timeout_s=10.0)
            assert isinstance(outcome, Answered), outcome
            posted.put_nowait(outcome)

        def take(message: Any) -> None:
            asyncio.run_coroutine_threadsafe(post(message.value()), loop)

        with _consuming(settings, second, take), _consuming(settings, first, forward):
            sending = asyncio.to_thread(_send, source, first, count, per_second)
            began_ms = await sending
            for _ in range(count):
                await asyncio.wait_for(posted.get(), AT_EVERY_END_S)
    return {"began_ms": began_ms}


def _send(source: Any, topic: str, count: int, per_second: float) -> float:
    began_ms, began_s = workload.now(), time.monotonic()
    for number in range(count):
        while number > (time.monotonic() - began_s) * per_second:
            time.sleep(FINE_S)
        source.produce(topic, value=workload.body(str(number), workload.now()), key=str(number))
        source.poll(0)
    source.flush(AT_EVERY_END_S)
    return began_ms


if __name__ == "__main__":
    one, two, asked_url, asked_count, asked_rate = sys.argv[1:]
    child.tell(uvloop.run(_run(one, two, asked_url, int(asked_count), float(asked_rate))))
