"""`python -m producers.gateway`: events over HTTP."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from producers.gateway import settings as settings_module
from producers.gateway.acknowledgements import Acknowledgements
from producers.gateway.app import PATH, Services, create_app
from producers.gateway.intake import Intake
from producers.gateway.room import Room
from tocsin import lifecycle
from tocsin.encoding import EventEncoder
from tocsin.http.admission import Gate, key_table, require_a_key
from tocsin.http.measuring import Measured
from tocsin.http.rate import Limiter
from tocsin.http.server import listen, serve
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop
from tocsin.settings import Settings
from tocsin.telemetry import metrics
from tocsin.telemetry.program import Telemetry
from tocsin.wire.systems import load_systems


def main(settings: Settings, stop: Stop, telemetry: Telemetry) -> None:
    """Put the program together and serve until it is asked to stop."""
    own = settings_module.load()
    sock = listen(own.host, own.port, "TOCSIN_GATEWAY_PORT")
    systems, topics = load_systems(), Topics(settings.topic_prefix)
    registry = Registry(settings, patiently=stop.patiently)
    encoders = {name: EventEncoder(registry, topics.events(name), system) for name, system in systems.items()}
    for encoder in encoders.values():
        encoder.prepare()
    keys = key_table(settings, topics, registry)
    stop.patiently(keys.start)
    require_a_key(keys, topics.keys)
    writer = Writer(settings, linger_ms=5.0)
    acknowledgements = Acknowledgements(time.monotonic)
    services = Services(
        gate=Gate(keys.get, keys.age_s, systems, lambda: time.time_ns() // 1_000_000),
        limiter=Limiter(own.events_per_minute, lambda: time.monotonic_ns() // 1_000_000),
        room=Room(own.held_max_bytes),
        intake=Intake(writer, encoders, acknowledgements, time.monotonic),
        keys_age_s=keys.age_s,
        now=lambda: datetime.now(UTC),
        tracer=telemetry.tracer,
        published=telemetry.meter.counter(metrics.PUBLISHED),
    )

    def check() -> None:
        writer.check()
        keys.age_s()
        telemetry.pulse.tick(time.monotonic())

    telemetry.watch_writes(writer)
    telemetry.watch_tables(keys.age_s)
    app = Measured(create_app(services), telemetry.meter.histogram(metrics.REQUESTS), PATH)
    telemetry.start()
    try:
        serve(app, sock, stop, settings.stop_deadline_s, check)
    finally:
        writer.close()
        keys.stop()


if __name__ == "__main__":
    sys.exit(lifecycle.run("gateway", main))
