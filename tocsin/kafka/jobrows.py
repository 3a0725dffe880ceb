"""Rows of `tocsin.jobs`, as bytes: whoever asks for a job, follows or runs one reads and writes them here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Message

from tocsin import jobs
from tocsin.jobs import JobControl, ReplayProgress, ReplayRequest, Row
from tocsin.kafka import pipeline
from tocsin.kafka.codec import Encoder
from tocsin.kafka.pipeline import RecordName
from tocsin.kafka.reader import headers_of
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing


def reader(registry: Registry) -> Callable[[Message], Row]:
    """Return what makes a row of a record of the jobs topic; its key says which kind.

    The returned function raises Undecodable for poison and RegistryUnavailable, as a `Decoder`.
    """
    progress = pipeline.decoder(registry, "replay_progress")
    control = pipeline.decoder(registry, "job_control")
    request = pipeline.decoder(registry, "replay_request")

    def row(message: Message) -> Row:
        key, value = message.key() or b"", message.value()
        headers = headers_of(message)
        if key.endswith(jobs.progress_key("").encode()):
            return jobs.progress_from_record(progress(value, headers).record)
        if key.endswith(jobs.control_key("").encode()):
            return jobs.control_from_record(control(value, headers).record)
        return jobs.request_from_record(request(value, headers).record)

    return row


class JobRows:
    """Makes the records of jobs; each schema is registered at its first use.

    What makes a record raises as `Registry.register`.
    """

    def __init__(self, registry: Registry, topics: Topics) -> None:
        self._registry = registry
        self._topics = topics
        self._encoders: dict[RecordName, Encoder] = {}

    def request(self, request: ReplayRequest) -> Outgoing:
        """Return the record that asks for a job."""
        record = jobs.request_to_record(request)
        return self._outgoing(jobs.request_key(request.job), "replay_request", record)

    def control(self, control: JobControl) -> Outgoing:
        """Return the record that pauses, resumes or cancels a job."""
        return self._outgoing(jobs.control_key(control.job), "job_control", jobs.control_to_record(control))

    def progress(self, progress: ReplayProgress) -> Outgoing:
        """Return the record that says how far a job has come."""
        record = jobs.progress_to_record(progress)
        return self._outgoing(jobs.progress_key(progress.job), "replay_progress", record)

    def _outgoing(self, key: str, name: RecordName, record: Mapping[str, Any]) -> Outgoing:
        encode = self._encoders.get(name)
        if encode is None:
            encode = self._encoders[name] = pipeline.encoder(self._registry, self._topics, name)
        return Outgoing(self._topics.jobs, key.encode(), encode(record))
