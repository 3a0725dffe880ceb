"""`python -m consumers.replay`: runs the replays that were asked for."""

from __future__ import annotations

import sys

from confluent_kafka import Message

from consumers.replay.program import Replaying
from consumers.replay.queue import Row
from tocsin import jobs, lifecycle
from tocsin.kafka import pipeline
from tocsin.kafka.reader import Reader
from tocsin.kafka.registry import Registry
from tocsin.kafka.tables import Table
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.lifecycle import Stop
from tocsin.settings import Settings


def main(settings: Settings, stop: Stop) -> None:
    """Put the program together and run it until it is asked to stop."""
    topics, registry = Topics(settings.topic_prefix), Registry(settings.registry)
    writer = Writer(settings)
    table = _jobs(settings, topics, registry)
    table.start()
    replaying = Replaying(settings, table, writer, pipeline.encoder(registry, topics, "replay_progress"))
    reader = replaying.reader = Reader(settings, topics.group("replay"), [topics.jobs], replaying)
    lifecycle.ready()
    try:
        replaying.run(stop)
    finally:
        reader.close()
        writer.close()
        table.stop()


def _jobs(settings: Settings, topics: Topics, registry: Registry) -> Table[Row]:
    request = pipeline.decoder(registry, "replay_request")
    progress = pipeline.decoder(registry, "replay_progress")

    def row(message: Message) -> Row:
        if (message.key() or b"").endswith(b"/progress"):
            return jobs.progress_from_record(progress(message.value()).record)
        return jobs.request_from_record(request(message.value()).record)

    return Table(settings, topics.jobs, row)


if __name__ == "__main__":
    sys.exit(lifecycle.run("replay", main))
