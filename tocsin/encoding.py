"""Events' data as the values of records: checked against the system's contract, then encoded."""

from __future__ import annotations

import difflib
from typing import Any

from tocsin import events
from tocsin.errors import EventInvalid
from tocsin.kafka import codec
from tocsin.kafka.codec import Encoder
from tocsin.kafka.registry import Registry
from tocsin.wire.systems import EventType, System


class EventEncoder:
    """Encodes the events of one system for its topic.

    Args:
        registry: Where an event type's schema is registered, when it is first met.
        topic: Name of the system's events topic.
        system: Whose events.
    """

    def __init__(self, registry: Registry, topic: str, system: System) -> None:
        self.topic = topic
        self._registry = registry
        self._system = system
        self._encoders: dict[str, Encoder] = {}

    def __call__(self, event_type: str, data: Any) -> bytes:
        """Return the value of a record.

        Raises:
            EventInvalid: The system has no such event type, or the data does not fit it.
            RegistryUnavailable: The schema could not be registered.
        """
        known = self._system.event_types.get(event_type)
        if known is None:
            raise EventInvalid("type", _unknown_type(self._system, event_type))
        known.check(data)
        value = self._encoder(known)(data)
        if len(value) > events.DATA_MAX_BYTES:
            raise EventInvalid("data", f"is {len(value)} bytes encoded; at most {events.DATA_MAX_BYTES}")
        return value

    def prepare(self) -> dict[str, int]:
        """Register every schema now, so that no call waits for the registry; return their ids by subject.

        Raises:
            RegistryUnavailable: One could not be registered.
        """
        return {
            codec.subject(self.topic, known.schema): self._encoder(known).schema_id
            for known in self._system.event_types.values()
        }

    def _encoder(self, known: EventType) -> Encoder:
        encoder = self._encoders.get(known.name)
        if encoder is None:
            encoder = self._encoders[known.name] = Encoder(self._registry, self.topic, known.schema)
        return encoder


def _unknown_type(system: System, event_type: str) -> str:
    near = difflib.get_close_matches(event_type, system.event_types, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(system.event_types))}"
    return f"{event_type!r} is no event of {system.name}; {hint}"
