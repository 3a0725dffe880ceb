"""The subscribers' side of the soak: endpoints of several tempers, each request verified at arrival and written down."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.local.demo.receiver import Answer, Received, Receiver
from deploy.local.demo.verification import DOCUMENTED
from tests.soak.ledgers import Behaviour, Post, Subscriber
from tocsin.wire.systems import EventType

SLOW_S: Final = 0.7
_EPOCH_S: Final = time.time() - time.monotonic()


def marked(known: EventType, event_id: str) -> dict[str, Any]:
    """Return an example of an event type whose data names the event, so that a request tells what it is about."""
    return {**known.example, marker(known): event_id}


def marker(known: EventType) -> str:
    """Return the field that names the event."""
    return next(str(field["name"]) for field in known.schema["fields"] if field["type"] == "string")


@dataclass(slots=True)
class Endpoints:
    """One server, an endpoint for each subscriber by its path.

    Attributes:
        posts: Every request that was verified.
        refused: What is wrong with the others.
        repaired: Those that always failed succeed.
        all_known: Whoever is not expected yet never will be.
        port: Where requests are to be sent, which get from there to the receiver.
    """

    types: Mapping[str, EventType]
    posts: list[Post] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    receiver: Receiver = field(default_factory=Receiver)
    repaired: bool = False
    all_known: bool = False
    port: int = 0
    _subscribers: dict[str, Subscriber] = field(default_factory=dict)
    _times: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.receiver.answer = self._answer

    def url(self, path: str) -> str:
        """Return the address of an endpoint."""
        return f"http://127.0.0.1:{self.port}/hook/{path}"

    def expect(self, path: str, subscriber: Subscriber) -> None:
        """Let requests to a path be a subscriber's from now on."""
        self._subscribers[path] = subscriber

    def repair(self) -> None:
        """Let those that fail succeed from now on."""
        self.repaired = True

    def know_all(self) -> None:
        """Let nobody be expected any more: who is not known is of an API that was killed before it told us of him."""
        self.all_known = True

    def _answer(self, request: Received, earlier: int) -> Answer:
        self.receiver.requests.clear()  # it keeps them for tests that are shorter than this one
        subscriber = self._subscribers.get(request.path.rsplit("/", 1)[-1])
        if subscriber is None:
            return (410 if self.all_known else 503), {}
        if not DOCUMENTED[subscriber.system](request.headers, request.body, subscriber.secret):
            self.refused.append(f"a request to {subscriber.id} does not verify")
            return 400, {}
        delivery_id, event_id = self._read(subscriber, request)
        with self._lock:
            self._times[delivery_id] += 1
            status, headers = answer(
                subscriber.behaviour, delivery_id, self._times[delivery_id], repaired=self.repaired
            )
        if subscriber.behaviour == "slow":
            time.sleep(SLOW_S)
        self.posts.append(
            Post(
                subscription=subscriber.id,
                delivery_id=delivery_id,
                event_id=event_id,
                body=hashlib.sha256(request.body).digest(),
                status=status,
                at_ms=1000 * (_EPOCH_S + request.at),
            )
        )
        return status, headers

    def _read(self, subscriber: Subscriber, request: Received) -> tuple[str, str]:
        body = json.loads(request.body)
        if subscriber.system == "governlayer":
            known = self.types[f"governlayer/{body['type']}"]
            return str(uuid.UUID(body["id"].removeprefix("wh_"))), body["payload"][marker(known)]
        known = self.types[f"truthvouch/{body['event_type']}"]
        return request.headers["x-truthvouch-delivery"], body[marker(known)]


def answer(behaviour: Behaviour, delivery_id: str, time_: int, *, repaired: bool) -> Answer:
    """Decide an answer; the same for the same request of every run.

    Args:
        time_: How often this delivery has come, this time included.
        repaired: Those that always failed have been mended.
    """
    dice = uuid.UUID(delivery_id).int % 20
    match behaviour:
        case "gone":
            return 410, {}
        case "failing" if not repaired:
            return 500, {}
        case "flaky" if time_ == 1 and dice < 5:
            return 500, {}
        case "busy" if time_ == 1 and dice == 0:
            return 429, {"Retry-After": "2"}
        case "busy" if time_ == 1 and dice < 3:
            return 503, {}
        case _:
            return 200, {}
