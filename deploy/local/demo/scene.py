"""What happens in the demo: subscribers, their receivers, the events that are published for them."""

from __future__ import annotations

import json
import os
import ssl
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from deploy.local import settings as local_settings
from deploy.local.demo.receiver import Answer, Received, Receiver
from deploy.local.demo.verification import DOCUMENTED, OPEN
from deploy.local.errors import StackError
from tocsin import Publisher, deadletters, keys
from tocsin.kafka import pipeline
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing, Writer
from tocsin.settings import Settings
from tocsin.wire.systems import EventType, load_systems


def documented_examples() -> Mapping[str, Sequence[EventType]]:
    """Return, for every system with documents, the event types that these show an example of.

    A system whose documents show no payload at all (DriftGuard) takes part with its own examples.
    """
    examples = {
        name: [known for known in system.event_types.values() if known.example_source == "documentation"]
        or list(system.event_types.values())
        for name, system in load_systems().items()
        if name in DOCUMENTED
    }
    return dict(sorted(examples.items()))


@dataclass(slots=True)
class Subscriber:
    """One subscription and the receiver behind it.

    Attributes:
        story: What its receiver does.
        wire_format: The open format it chose, or None.
        only: What the data of an event must have for it to be wanted; its subscription filters by that.
        failures: How many requests for each event fail first; None while all do.
        published: Ids of the events it has to get.
    """

    system: str
    story: str
    organization: str
    failures: int | None
    wire_format: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)
    receiver: Receiver = field(default_factory=Receiver)
    id: str = ""
    secret: str = ""
    published: list[str] = field(default_factory=list)
    answered: list[tuple[Received, int]] = field(default_factory=list)

    def answer(self, request: Received, earlier: int) -> Answer:
        """Decide the answer to a request."""
        before = sum(earlier_request.body == request.body for earlier_request, _ in self.answered)
        status = 503 if self.failures is None or before < self.failures else 200
        self.answered.append((request, status))
        return status, {}

    def verify(self, request: Received) -> None:
        """Verify a request with the code of the system's documents, or of the open format's."""
        verify = OPEN[self.wire_format] if self.wire_format else DOCUMENTED[self.system]
        if not verify(request.headers, request.body, self.secret):
            raise ValueError("the signature is not what the documents say")

    def wanted(self) -> dict[str, Any]:
        """Return what its subscription asks for besides where and of which events."""
        filters = (
            [{"exact": {f"data.{name}": value for name, value in self.only.items()}}] if self.only else []
        )
        return {"format": self.wire_format, "filters": filters}

    def wants(self, data: Mapping[str, Any]) -> bool:
        """Whether an event with this data is for it."""
        return all(data.get(name) == value for name, value in self.only.items())

    def repair(self) -> None:
        """Let its receiver succeed from now on."""
        self.failures = 0

    def delivered(self) -> set[bytes]:
        """Return the distinct bodies that it answered with success."""
        return {request.body for request, status in self.answered if status == 200}

    def complete(self) -> bool:
        """Whether it got every event, and every request verified."""
        return len(self.delivered()) == len(self.published) and not self.receiver.refused

    def await_delivered(self, timeout_s: float) -> None:
        """Wait until it has every event.

        Raises:
            StackError: That takes too long.
        """
        deadline = time.monotonic() + timeout_s
        while len(self.delivered()) < len(self.published):
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.system}: {len(self.delivered())} of {len(self.published)} events arrived in {timeout_s:.0f} s; "
                    f"the programs' logs are in {local_settings.load().logs}"
                )
            time.sleep(0.02)


class Scene:
    """Sets up subscribers and publishes for them.

    Args:
        settings: Of the running installation.
        tls: For receivers of systems that accept HTTPS alone.
        cleanup: Takes what has to be undone at the end.
    """

    def __init__(self, settings: Settings, tls: ssl.SSLContext, cleanup: ExitStack) -> None:
        self._settings = settings
        self._tls = tls
        self._cleanup = cleanup
        self._topics = Topics(settings.topic_prefix)
        self._systems = load_systems()
        self._encode_key = pipeline.encoder(Registry(settings), self._topics, "api_key")
        self._writer = Writer(settings)
        cleanup.callback(self._writer.close)
        self._publishers: dict[str, Publisher] = {}
        self._effective_at_s = 0.0

    def subscribe(
        self,
        system: str,
        story: str = "healthy",
        failures: int | None = 0,
        *,
        wire_format: str | None = None,
        only: Mapping[str, str] | None = None,
    ) -> Subscriber:
        """Start a receiver and subscribe it, under an organization of its own, to the events of its system."""
        organization = f"demo-{uuid.uuid4().hex[:8]}"
        subscriber = Subscriber(system, story, organization, failures, wire_format, only or {})
        receiver = subscriber.receiver
        receiver.answer, receiver.verify = subscriber.answer, subscriber.verify
        receiver.tls = self._tls if self._systems[system].https_only else None
        self._cleanup.enter_context(receiver)
        key = self._api_key(system, subscriber.organization)
        events = sorted(self._systems[system].event_types)
        made = self._call("POST", "", key, {"url": receiver.url, "events": events, **subscriber.wanted()})
        subscriber.id, subscriber.secret = made["id"], made["secret"]
        self._cleanup.callback(self._call, "DELETE", f"/{subscriber.id}", key)
        self._effective_at_s = datetime.fromisoformat(made["effective_at"]).timestamp()
        return subscriber

    def await_effective(self) -> None:
        """Wait until every subscription certainly counts."""
        time.sleep(max(0.0, self._effective_at_s - time.time()))

    def publish_examples(self, subscriber: Subscriber) -> None:
        """Publish the system's documented examples for a subscriber's organization."""
        if subscriber.system not in self._publishers:
            publisher = Publisher(subscriber.system, source="/demo", settings=self._settings)
            self._publishers[subscriber.system] = self._cleanup.enter_context(publisher)
        for known in documented_examples()[subscriber.system]:
            published = self._publishers[subscriber.system].publish(
                known.name, known.example, organization=subscriber.organization
            )
            if subscriber.wants(known.example):
                subscriber.published.append(published.event_id)

    def await_dead_letters(self, subscriber: Subscriber, timeout_s: float) -> int:
        """Wait until all events of a subscriber are dead letters, and return how many they are.

        Raises:
            StackError: That takes too long.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            found = sum(
                letter.subscription_id == subscriber.id for letter in deadletters.scan(self._settings)
            )
            if found >= len(subscriber.published):
                return found
            if time.monotonic() > deadline:
                raise StackError(
                    f"{found} of {len(subscriber.published)} dead letters after {timeout_s:.0f} s"
                )
            time.sleep(0.2)

    def _api_key(self, system: str, organization: str) -> str:
        key_id, text = keys.new_key(os.urandom(64))
        key = keys.ApiKey(
            key_id,
            organization,
            system,
            keys.digest(text),
            ("manage", "read"),
            time.time_ns() // 1_000_000,
            description="made by the demo",
        )
        self._writer.write(
            Outgoing(self._topics.keys, key_id.encode(), self._encode_key(keys.to_record(key))),
            lambda _: None,
        )
        if not self._writer.flush(10.0):
            raise StackError("Kafka did not acknowledge an API key")
        return text

    def _call(self, method: str, path: str, key: str, body: Mapping[str, Any] | None = None) -> Any:
        deadline = time.monotonic() + 5.0
        while True:
            answer = httpx.request(
                method,
                f"{self._settings.api}/v1/webhooks{path}",
                headers={"X-API-Key": key},
                json=body,
                trust_env=False,
            )
            # A key that was made this moment is known to the API within a second.
            if answer.status_code != httpx.codes.UNAUTHORIZED or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if answer.is_error:
            raise StackError(f"the control API answered {answer.status_code}: {answer.text}")
        return json.loads(answer.content) if answer.content else None
