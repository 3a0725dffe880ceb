"""`python -m consumers.replay`: runs the jobs that were asked for."""

from __future__ import annotations

import sys

from consumers.replay.program import Replaying
from consumers.replay.sources import Sources
from tocsin import jobs, lifecycle, purges
from tocsin.jobs import Row
from tocsin.kafka import jobrows
from tocsin.kafka.jobrows import JobRows
from tocsin.kafka.reader import Reader
from tocsin.kafka.registry import Registry
from tocsin.kafka.tables import Table
from tocsin.kafka.topics import Topics
from tocsin.kafka.trail import Trail
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop
from tocsin.purges import Purge
from tocsin.settings import Settings
from tocsin.telemetry.program import Telemetry
from tocsin.wire.systems import load_systems


def main(settings: Settings, stop: Stop, telemetry: Telemetry) -> None:
    """Put the program together and run it until it is asked to stop."""
    topics, registry = Topics(settings.topic_prefix), Registry(settings, patiently=stop.patiently)
    writer = Writer(settings)
    table: Table[Row] = Table(settings, topics.jobs, jobrows.reader(registry))
    stop.patiently(table.start)

    def purged() -> list[Purge]:
        return purges.done(jobs.join(table.rows()).values())

    replaying = Replaying(
        settings,
        table,
        writer,
        rows=JobRows(registry, topics),
        trail=stop.patiently(lambda: Trail(registry, topics)),
        sources=Sources(settings, registry, load_systems(), purged),
    )
    reader = Reader(settings, topics.group("replay"), [topics.jobs], replaying, stopping=stop.asked.is_set)
    replaying.watch(reader, telemetry)
    lifecycle.ready()
    try:
        replaying.run(stop)
    finally:
        reader.close()
        writer.close()
        table.stop()


if __name__ == "__main__":
    sys.exit(lifecycle.run("replay", main))
