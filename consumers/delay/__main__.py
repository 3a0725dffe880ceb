"""`python -m consumers.delay`: holds retries until they are due."""

from __future__ import annotations

import sys
import time

from consumers.delay.program import Delaying
from tocsin import lifecycle, tiers
from tocsin.kafka.clock import BrokerClock
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.reader import Reader
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop
from tocsin.settings import Settings
from tocsin.telemetry import metrics
from tocsin.telemetry.program import Telemetry


def main(settings: Settings, stop: Stop, telemetry: Telemetry) -> None:
    """Put the program together and run it until it is asked to stop."""
    topics = Topics(settings.topic_prefix)
    writer = Writer(settings)
    quarantine = Quarantine(writer, Registry(settings, patiently=stop.patiently), topics, "delay")
    clock = BrokerClock(writer, topics.clock)
    stop.patiently(clock.start)
    delaying = Delaying(topics, writer, quarantine, clock.now_ms, telemetry)
    reader = Reader(
        settings,
        topics.group("delay"),
        [topics.delay(tier) for tier in tiers.TIERS],
        delaying,
        unhurried=True,
        stopping=stop.asked.is_set,
    )
    telemetry.watch_writes(writer)
    telemetry.meter.observe(metrics.QUARANTINED, quarantine.taken.read)
    delaying.watch(reader)
    lifecycle.ready()
    try:
        delaying.run(stop)
        writer.flush(stop.deadline - time.monotonic())
    finally:
        reader.close()
        writer.close()


if __name__ == "__main__":
    sys.exit(lifecycle.run("delay", main))
