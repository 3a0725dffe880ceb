"""Events of one request on their way into Kafka, and what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from producers.gateway import envelope
from producers.gateway.acknowledgements import Acknowledgements
from producers.gateway.envelope import Defaults
from tocsin import events
from tocsin.encoding import EventEncoder
from tocsin.errors import EventInvalid
from tocsin.events import Event
from tocsin.http.problems import unavailable
from tocsin.kafka.writer import Outgoing, Writer

ACK_MAX_S: Final = 5.0
"""How long a caller waits for the broker."""

SILENT_MAX_S: Final = 2.0
"""With writes open and none acknowledged for this long, further requests are refused at once."""

OPEN_MAX: Final = 50_000
"""Bound on writes under way: what the broker does not take waits with the callers, not here."""

_TURN: Final = 100
"""So many events are read in one go; then other requests have their turn."""

TraceHeaders = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that does not fit its contract; nothing was sent."""

    id: str | None
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that fits: acknowledged by the broker, or not in time, and then it may or may not be stored."""

    id: str
    source: str
    acknowledged: bool


Outcome = Taken | Refused


class Intake:
    """Writes requests' events and waits for the broker.

    Args:
        writer: Writes to Kafka.
        encoders: For each system's name, what encodes its events.
        acknowledgements: Wakes requests.
        clock_s: A monotonic clock, the one of `acknowledgements`.
        ack_max_s: How long a request waits for the broker.
    """

    def __init__(
        self,
        writer: Writer,
        encoders: Mapping[str, EventEncoder],
        acknowledgements: Acknowledgements,
        clock_s: Callable[[], float],
        ack_max_s: float = ACK_MAX_S,
    ) -> None:
        self._writer = writer
        self._encoders = encoders
        self._acknowledgements = acknowledgements
        self._clock_s = clock_s
        self._ack_max_s = ack_max_s
        self._since_s = float("-inf")

    def silent_s(self) -> float:
        """Return for how long writes have been open without an acknowledgement; 0 when none is open."""
        if not self._writer.outstanding:
            return 0.0
        return self._clock_s() - max(self._since_s, self._acknowledgements.last_s)

    def require_broker(self) -> None:
        """Refuse what would only wait.

        Raises:
            Problem: 503.
        """
        if self.silent_s() > SILENT_MAX_S:
            raise unavailable("Kafka acknowledges nothing now; nothing was sent")
        if self._writer.outstanding > OPEN_MAX:
            raise unavailable("Kafka does not keep up; nothing was sent")

    async def take(
        self,
        values: Sequence[Any],
        system: str,
        defaults: Defaults,
        trace: TraceHeaders,
        *,
        cloudevents: bool,
    ) -> list[Outcome]:
        """Write the events that fit, and return what became of each once the broker has acknowledged them all.

        At the latest after `ack_max_s`: what is not acknowledged by then is told as such.
        """
        encoder = self._encoders[system]
        read: list[tuple[Event, bytes] | Refused] = []
        for place, value in enumerate(values):
            if place % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            read.append(_read(value, place, defaults, encoder, cloudevents))
        fitting = [each for each in read if not isinstance(each, Refused)]
        acknowledged = iter(await self._written(encoder.topic, fitting, trace))
        return [
            each if isinstance(each, Refused) else Taken(each[0].id, each[0].source, bool(next(acknowledged)))
            for each in read
        ]

    async def _written(
        self, topic: str, fitting: Sequence[tuple[Event, bytes]], trace: TraceHeaders
    ) -> bytes:
        if not fitting:
            return b""
        now_s = self._clock_s()
        deadline_s = now_s + self._ack_max_s
        if not self._writer.outstanding:
            self._since_s = now_s
        batch = self._acknowledgements.expect(len(fitting))

        def wanted() -> bool:
            return self._clock_s() < deadline_s

        for place, (event, value) in enumerate(fitting):
            headers = [*events.to_headers(event), *trace]
            record = Outgoing(topic, events.record_key(event), value, headers)
            self._writer.write(record, batch.done(place), wanted=wanted)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._ack_max_s):
                await batch.ended
        return bytes(batch.acknowledged)


def _read(
    value: Any, place: int, defaults: Defaults, encoder: EventEncoder, cloudevents: bool
) -> tuple[Event, bytes] | Refused:
    try:
        event, data = envelope.read(value, place, defaults, cloudevent=cloudevents)
        return event, encoder(event.type, data)
    except EventInvalid as error:
        named = value.get("id") if isinstance(value, dict) else None
        return Refused(named if isinstance(named, str) else None, error.field, error.reason)
