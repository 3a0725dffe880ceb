"""What stands where the network is: a registry and a broker that count, and an endpoint on another thread."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pytest
from confluent_kafka import Message

from tests.hostile.endpoint import answers, endpoint
from tocsin.kafka import clients
from tocsin.kafka.writer import Writer
from tocsin.settings import Settings

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Shelf:
    """A registry: it takes every schema, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self._schemas: list[Mapping[str, Any]] = []

    def register(self, subject: str, schema: Mapping[str, Any], compatibility: str = "") -> int:
        self.asked += 1
        self._schemas.append(schema)
        return len(self._schemas)

    def schema(self, schema_id: int) -> Mapping[str, Any]:
        self.asked += 1
        return self._schemas[schema_id - 1]

    def close(self) -> None:
        """It holds nothing."""


class Broker:
    """A client of Kafka that has everything acknowledged when it is asked; it counts records by topic."""

    def __init__(self) -> None:
        self.written: Counter[str] = Counter()
        self._reports: list[tuple[Callable[..., None], Message]] = []

    def produce(
        self, topic: str, *, on_delivery: Callable[..., None], partition: int = 0, **_: object
    ) -> None:
        self._reports.append((on_delivery, Message(topic, partition=partition, offset=self.written[topic])))
        self.written[topic] += 1

    def poll(self, timeout_s: float = 0.0) -> int:
        reports, self._reports = self._reports, []
        for report, message in reports:
            report(None, message)
        return len(reports)

    def purge(self) -> None:
        """Nothing waits."""


@contextmanager
def writing() -> Iterator[tuple[Writer, Broker]]:
    """Yield a writer as delivery and router have it, and the broker that it writes to."""
    broker = Broker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clients, "producer", lambda *_, **__: broker)
        writer = Writer(Settings(_env_file=None), own_thread=False)  # type: ignore[call-arg]
    yield writer, broker
    writer.close()


@contextmanager
def elsewhere() -> Iterator[str]:
    """Run an endpoint that answers 200 to everything on a thread of its own, and yield its URL."""
    urls: list[str] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with endpoint(answers(OK)) as running:
            urls.append(running.url())
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="elsewhere", daemon=True)
    thread.start()
    assert ready.wait(10.0)
    try:
        yield urls[0]
    finally:
        over.set()
        thread.join(10.0)
