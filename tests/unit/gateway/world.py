"""A gateway whose Kafka is the client's own mock broker: real writes, real acknowledgements, no network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, cast

from starlette.testclient import TestClient

from producers.gateway.acknowledgements import Acknowledgements
from producers.gateway.app import Services, create_app
from producers.gateway.intake import Intake
from producers.gateway.room import Room
from tocsin import keys
from tocsin.encoding import EventEncoder
from tocsin.http.admission import Gate
from tocsin.http.rate import Limiter
from tocsin.kafka.registry import Registry
from tocsin.kafka.writer import Writer
from tocsin.keys import ApiKey
from tocsin.settings import Settings
from tocsin.wire.systems import load_systems

NOW: Final = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SYSTEMS: Final = load_systems()
GOOD: Final[Mapping[str, Any]] = {
    "type": "drift.alert",
    "data": {
        "system_name": "bot",
        "drift_score": 0.87,
        "decision": "ESCALATE",
        "ledger_hash": "sha256:a1",
    },
}
ANSWERS: Final = {"test.mock.num.brokers": "1"}
AWAY: Final = {"bootstrap.servers": "127.0.0.1:1"}


def _key(number: int, *scopes: str) -> tuple[str, ApiKey]:
    key_id, text = keys.new_key(bytes([number]) * keys.RANDOM_BYTES)
    return text, ApiKey(key_id, "acme", "governlayer", keys.digest(text), scopes, 0)


PUBLISHER, _PUBLISHER = _key(1, "publish")
READER, _READER = _key(2, "read")
_KEYS: Final = {key.id: key for key in (_PUBLISHER, _READER)}


class Numbering:
    """A registry that takes every schema."""

    def register(self, subject: str, schema: Any, compatibility: str) -> int:
        return 7


@contextmanager
def gateway(
    kafka: dict[str, str] = ANSWERS,
    *,
    ack_max_s: float = 5.0,
    clock_s: Callable[[], float] = time.monotonic,
    events_per_minute: int = 1_000_000,
    held_max_bytes: int = 1 << 26,
    keys_age_s: float = 0.0,
) -> Iterator[TestClient]:
    """Run a gateway and yield a caller of it with the key of a publisher."""
    settings = Settings(_env_file=None, kafka_options=kafka)  # type: ignore[call-arg]
    writer = Writer(settings)
    encoders = {
        name: EventEncoder(cast(Registry, Numbering()), f"tocsin.events.{name}", system)
        for name, system in SYSTEMS.items()
    }
    services = Services(
        gate=Gate(_KEYS.get, lambda: keys_age_s, SYSTEMS, lambda: 1),
        limiter=Limiter(events_per_minute, lambda: 0),
        room=Room(held_max_bytes),
        intake=Intake(writer, encoders, Acknowledgements(clock_s), clock_s, ack_max_s),
        keys_age_s=lambda: keys_age_s,
        now=lambda: NOW,
    )
    try:
        yield TestClient(
            create_app(services), headers={"X-API-Key": PUBLISHER}, raise_server_exceptions=False
        )
    finally:
        writer.close()
