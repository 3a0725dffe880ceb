"""The publishers of the soak: events at a steady rate, each tried until the broker acknowledges it."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from tests.soak.endpoints import marked
from tests.soak.ledgers import Published
from tests.soak.supervision import now_ms
from tocsin import Publisher
from tocsin.errors import NotAcknowledged, TocsinError
from tocsin.publisher import Acknowledged
from tocsin.settings import Settings
from tocsin.wire.systems import EventType

SOURCE: Final = "/soak"
OPEN_MOST: Final = 3_000
"""Events not yet acknowledged; with Kafka away for longer, the publishers wait."""


@dataclass(slots=True)
class Publishing:
    """Publishes on a thread of its own.

    Attributes:
        acknowledged: What the broker has acknowledged, and no more.
        failed: Why publishing has ended early.
    """

    settings: Settings
    types: Sequence[tuple[str, EventType]]
    organizations: Sequence[str]
    rate_per_s: float
    rng: random.Random
    acknowledged: list[Published] = field(default_factory=list)
    failed: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _open: deque[tuple[Published, EventType, Future[Acknowledged]]] = field(default_factory=deque)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="publishing", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Publish nothing new, and return once everything is acknowledged."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                raise TimeoutError(f"{len(self._open)} events are not acknowledged after {timeout_s:.0f} s")
        if self.failed is not None:
            raise self.failed

    def _run(self) -> None:
        try:
            with ExitStack() as cleanup:
                publishers = {
                    system: cleanup.enter_context(Publisher(system, source=SOURCE, settings=self.settings))
                    for system in {system for system, _ in self.types}
                }
                self._publish(publishers)
        except BaseException as error:
            self.failed = error

    def _publish(self, publishers: Mapping[str, Publisher]) -> None:
        due_s = time.monotonic()
        while not self._stop.is_set():
            if len(self._open) < OPEN_MOST:
                system, known = self.rng.choice(self.types)
                event = Published(
                    uuid.UUID(int=self.rng.getrandbits(128)).hex,
                    known.name,
                    system,
                    self.rng.choice(self.organizations),
                    now_ms(),
                )
                self._send(publishers, event, known)
            self._settle(publishers)
            due_s = max(due_s + 1 / self.rate_per_s, time.monotonic() - 1.0)
            self._stop.wait(max(0.0, due_s - time.monotonic()))
        while self._open:
            self._settle(publishers)
            time.sleep(0.02)

    def _send(self, publishers: Mapping[str, Publisher], event: Published, known: EventType) -> None:
        while True:
            try:
                future = publishers[event.system].send(
                    event.event_type,
                    marked(known, event.event_id),
                    organization=event.organization,
                    id=event.event_id,
                    extensions={"partitionkey": event.event_id[:2]},
                )
            except TocsinError:
                # The registry is down as long as the broker in which it keeps its schemas.
                time.sleep(0.5)
            else:
                self._open.append((event, known, future))
                return

    def _settle(self, publishers: Mapping[str, Publisher]) -> None:
        for _ in range(len(self._open)):
            event, known, future = self._open.popleft()
            if not future.done():
                self._open.append((event, known, future))
            elif isinstance(error := future.exception(), NotAcknowledged):
                self._send(publishers, event, known)
            elif error is not None:
                raise error
            else:
                self.acknowledged.append(event)
