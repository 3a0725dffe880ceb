"""The publisher: what a service imports to say that something happened.

    with Publisher("governlayer", source="/drift-monitor") as publisher:
        publisher.publish("drift.alert", {...}, organization="acme")

`publish` returns once the broker has acknowledged the event on all in-sync replicas. Publishing again with the
same `id` is harmless: every subscriber gets it once.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import KafkaError, KafkaException, Message
from opentelemetry import propagate, trace

from tocsin import events
from tocsin import settings as settings_module
from tocsin.encoding import EventEncoder
from tocsin.errors import ConfigurationError, NotAcknowledged
from tocsin.events import Event
from tocsin.kafka import clients
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.settings import Settings
from tocsin.telemetry import conventions
from tocsin.wire.systems import System, load_systems

_AGAIN: Final = "it is safe to publish again under its id"

_tracer = trace.get_tracer("tocsin.publisher", schema_url=conventions.SCHEMA_URL)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Where the broker stored an event."""

    event_id: str
    topic: str
    partition: int
    offset: int


class Publisher:
    """Publishes the events of one system; one instance serves all threads and tasks of a process.

    Args:
        system: Name of the system, a folder of `schemas/`.
        source: Who says so, the CloudEvents `source`; a URI reference such as `/drift-monitor`.
        settings: Where Kafka and the registry are; read from the environment when None.
        timeout_s: How long an event is tried before `NotAcknowledged`.

    Raises:
        ConfigurationError: No such system.
    """

    def __init__(
        self, system: str, *, source: str, settings: Settings | None = None, timeout_s: float = 10.0
    ) -> None:
        self._settings = settings or settings_module.load()
        known = _system(system)
        self._source = source
        # Ids of events that have none: asking the kernel for random bytes each time costs more than the record does.
        self._ids, self._numbers = uuid.uuid4().hex[:20], itertools.count()
        self._timeout_s = timeout_s
        self._topic = Topics(self._settings.topic_prefix).events(system)
        self._registry = Registry(self._settings)
        self._encode = EventEncoder(self._registry, self._topic, known)
        self._producer = clients.producer(self._settings, timeout_s=timeout_s)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="publisher", daemon=True)
        self._thread.start()

    def publish(
        self,
        type: str,
        data: Mapping[str, Any],
        *,
        organization: str,
        id: str | None = None,
        time: datetime | None = None,
        subject: str | None = None,
        extensions: Mapping[str, str] | None = None,
    ) -> Acknowledged:
        """Publish one event and return once the broker has acknowledged it.

        Args:
            type: Event type of the system, such as `drift.alert`.
            data: The event's data, as its schema says.
            organization: The tenant whose subscriptions are asked.
            id: Unique within the source; publish again with the same one after `NotAcknowledged`.
            time: When it happened; now, when None.
            subject: What it happened to.
            extensions: Further CloudEvents attributes; `partitionkey` replaces the organization as the record's key.

        Raises:
            EventInvalid: Something does not fit the contract; nothing was sent.
            NotAcknowledged: No acknowledgement in time; the event may or may not be stored.
            RegistryUnavailable: The schema could not be registered; nothing was sent.
            RuntimeError: The publisher is closed.
        """
        future = self.send(
            type, data, organization=organization, id=id, time=time, subject=subject, extensions=extensions
        )
        return future.result()

    async def publish_async(self, type: str, data: Mapping[str, Any], **attributes: Any) -> Acknowledged:
        """Publish from a coroutine; as `publish`, without blocking the event loop. Cancelled, it may have published."""
        future = await asyncio.to_thread(self.send, type, data, **attributes)
        return await asyncio.wrap_future(future)

    def send(
        self,
        type: str,
        data: Mapping[str, Any],
        *,
        organization: str,
        id: str | None = None,
        time: datetime | None = None,
        subject: str | None = None,
        extensions: Mapping[str, str] | None = None,
    ) -> Future[Acknowledged]:
        """Hand one event to the client and return a future of its acknowledgement; arguments as `publish`.

        Raises:
            EventInvalid, RegistryUnavailable: At once, and nothing is sent. `NotAcknowledged` is the future's.
            RuntimeError: The publisher is closed.
        """
        if self._closing.is_set():
            raise RuntimeError("the publisher is closed")
        event = Event(
            id=id if id is not None else f"{self._ids}{next(self._numbers):012x}",
            source=self._source,
            type=type,
            time=time if time is not None else datetime.now(UTC),
            organization=organization,
            subject=subject,
            extensions=extensions or {},
        )
        events.check(event)
        value = self._encode(event.type, data)
        span = _tracer.start_span(f"send {self._topic}", kind=trace.SpanKind.PRODUCER)
        if span.is_recording():
            span.set_attributes(self._described(event))
        trace_context: dict[str, str] = {}
        propagate.inject(trace_context, trace.set_span_in_context(span))
        span.end()
        headers: list[tuple[str, str | bytes | None]] = [*events.to_headers(event), *trace_context.items()]
        return self._produce(event, value, headers)

    def flush(self, timeout_s: float | None = None) -> None:
        """Wait until every event sent so far is acknowledged or has failed.

        Raises:
            NotAcknowledged: Some were neither after `timeout_s`.
        """
        left = self._producer.flush(timeout_s if timeout_s is not None else self._timeout_s + 5)
        if left:
            raise NotAcknowledged(f"{left} events are neither acknowledged nor failed yet")

    def close(self) -> None:
        """Flush, and end the client; nothing can be sent from now on."""
        self._closing.set()
        try:
            self.flush()
        finally:
            self._thread.join(2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def _described(self, event: Event) -> Mapping[str, str]:
        return {
            conventions.MESSAGING_SYSTEM: conventions.KAFKA,
            conventions.MESSAGING_OPERATION_NAME: conventions.SEND,
            conventions.MESSAGING_OPERATION_TYPE: conventions.SEND,
            conventions.MESSAGING_DESTINATION_NAME: self._topic,
            conventions.MESSAGING_MESSAGE_ID: event.id,
            conventions.EVENT_TYPE: event.type,
        }

    def _produce(
        self, event: Event, value: bytes, headers: list[tuple[str, str | bytes | None]]
    ) -> Future[Acknowledged]:
        future: Future[Acknowledged] = Future()

        def report(error: KafkaError | None, message: Message) -> None:
            with suppress(InvalidStateError):  # nobody waits any more; the record counts all the same
                if error is not None:
                    future.set_exception(NotAcknowledged(f"event {event.id}: {error.str()}; {_AGAIN}"))
                else:
                    future.set_result(
                        Acknowledged(event.id, self._topic, message.partition() or 0, message.offset() or 0)
                    )

        try:
            self._producer.produce(
                self._topic, value=value, key=events.record_key(event), headers=headers, on_delivery=report
            )
        except BufferError:
            future.set_exception(
                NotAcknowledged(
                    f"event {event.id}: the client's queue is full, Kafka does not keep up; {_AGAIN}"
                )
            )
        except KafkaException as error:
            future.set_exception(NotAcknowledged(f"event {event.id}: {error.args[0].str()}; {_AGAIN}"))
        return future

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.1)


def _system(name: str) -> System:
    systems = load_systems()
    if name not in systems:
        raise ConfigurationError("system", name, f"no such system; there are {', '.join(sorted(systems))}")
    return systems[name]
