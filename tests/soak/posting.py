"""Publishers that use the gateway: an event is posted until it is accepted, and then it is owed to its subscribers."""

from __future__ import annotations

import queue
import random
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.soak.endpoints import marked
from tests.soak.ledgers import Published
from tests.soak.publishing import SOURCE
from tests.soak.supervision import now_ms
from tocsin.wire.systems import EventType

AGAIN_S: Final = 0.3
TIMEOUT_S: Final = 15.0


@dataclass(slots=True)
class Posting:
    """Posts events of one system at a steady rate, on a thread of its own.

    Args:
        url: Where the gateway takes events.
        keys: Organization to its API key.
        acknowledged: Where accepted events are written down.

    Attributes:
        denied: How often the gateway answered 503 while Kafka was away.
        promised: What it accepted then all the same.
    """

    url: str
    system: str
    types: Sequence[EventType]
    keys: Mapping[str, str]
    rate_per_s: float
    rng: random.Random
    acknowledged: list[Published]
    denied: int = 0
    promised: list[str] = field(default_factory=list)
    failed: BaseException | None = None
    _owed: queue.SimpleQueue[tuple[Published, dict[str, Any]]] = field(default_factory=queue.SimpleQueue)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="posting", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Post nothing new, and return once everything is accepted."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                raise TimeoutError(f"the gateway has not accepted everything after {timeout_s:.0f} s")
        if self.failed is not None:
            raise self.failed

    def deny(self) -> None:
        """Post an event while nothing can be acknowledged: whatever the gateway answers, it must not accept it."""
        event, body = self._made()
        status = self._post(event, body)
        if status is not None and 200 <= status < 300:
            self.promised.append(f"event {event.event_id} was answered with {status} while Kafka was away")
        elif status == httpx.codes.SERVICE_UNAVAILABLE:
            self.denied += 1
        self._owed.put((event, body))

    def _run(self) -> None:
        try:
            while not self._stop.wait(1 / self.rate_per_s):
                self._insist(*self._made())
                self._settle()
            self._settle()
        except BaseException as error:
            self.failed = error

    def _settle(self) -> None:
        while not self._owed.empty():
            self._insist(*self._owed.get())

    def _made(self) -> tuple[Published, dict[str, Any]]:
        known = self.rng.choice(self.types)
        event_id = uuid.UUID(int=self.rng.getrandbits(128)).hex
        event = Published(event_id, known.name, self.system, self.rng.choice(list(self.keys)), now_ms())
        body = {"id": event_id, "source": SOURCE, "type": known.name, "data": marked(known, event_id)}
        return event, body

    def _insist(self, event: Published, body: dict[str, Any]) -> None:
        """Post an event until it is accepted: an answer that did not come may have been a yes."""
        while (status := self._post(event, body)) != httpx.codes.ACCEPTED:
            assert status in (None, 401, 503), f"the gateway answers {status}"
            threading.Event().wait(AGAIN_S)
        self.acknowledged.append(event)

    def _post(self, event: Published, body: dict[str, Any]) -> int | None:
        headers = {"X-API-Key": self.keys[event.organization]}
        try:
            answer = httpx.post(self.url, json=body, headers=headers, timeout=TIMEOUT_S, trust_env=False)
        except httpx.TransportError:
            return None
        return answer.status_code
