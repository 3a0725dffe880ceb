"""The owners of the soak's subscriptions: they use the control API, and it may die before it answers."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx

from tests.harness.installation import Api
from tests.soak.endpoints import Endpoints
from tests.soak.ledgers import Behaviour, Subscriber

AGAIN_S: Final = 0.3
GIVE_UP_S: Final = 600.0
"""Longer than Kafka is away."""
NEWCOMERS_MOST: Final = 24
"""So that the load stays what it was."""

TEMPERS: Final[Sequence[tuple[Behaviour, Sequence[str]]]] = [
    ("healthy", ["*"]),
    ("flaky", ["*"]),
    ("busy", ["{rare}"]),
    ("slow", ["{rare}"]),
    ("failing", ["{rare}"]),
    ("gone", ["{rare}"]),
]
"""What the endpoints of every tenant do, and what they ask for: those that take less than they are sent would have to
be waited for."""


@dataclass(slots=True)
class Subscribing:
    """Makes subscriptions, each under a path of its own for every try.

    Attributes:
        subscribers: Those whose owner was answered.
        unanswered: How many were made, or not, without an answer, and cleared away.
        denied: How often the API said that it can't promise anything, while it could not.
        promised: What it promised all the same.
    """

    endpoints: Endpoints
    apis: Mapping[tuple[str, str], Api]
    rng: random.Random
    subscribers: list[Subscriber] = field(default_factory=list)
    unanswered: int = 0
    denied: int = 0
    promised: list[str] = field(default_factory=list)
    failed: BaseException | None = None
    _tries: int = 0
    _unclear: list[tuple[tuple[str, str], str]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def subscribe(self, tenant: tuple[str, str], behaviour: Behaviour, patterns: Sequence[str]) -> Subscriber:
        """Subscribe, trying again until there is an answer."""
        api, (system, organization) = self.apis[tenant], tenant
        while True:
            self._tries += 1
            path = f"s{self._tries}"
            made = self._create(api, self.endpoints.url(path), patterns)
            if made is not None:
                break
            self._clear(api, self.endpoints.url(path))
            self.unanswered += 1
        subscriber = Subscriber(
            id=made["id"],
            organization=organization,
            system=system,
            patterns=tuple(patterns),
            behaviour=behaviour,
            secret=made["secret"],
            effective_ms=1000 * datetime.fromisoformat(made["effective_at"]).timestamp(),
        )
        self.endpoints.expect(path, subscriber)
        self.subscribers.append(subscriber)
        return subscriber

    def deny(self) -> None:
        """Ask for a subscription while nothing can be acknowledged: whatever the API answers, it must not promise."""
        self._tries += 1
        tenant = self.rng.choice(list(self.apis))
        url = self.endpoints.url(f"s{self._tries}")
        try:
            answer = self.apis[tenant].call("POST", "/v1/webhooks", json={"url": url, "events": ["*"]})
        except httpx.TransportError:
            return  # it was killed a moment ago
        if answer.is_success:
            self.promised.append(f"{url} was answered with {answer.status_code} while Kafka was away")
        elif answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            self.denied += 1
        self._unclear.append((tenant, url))

    def clear(self) -> None:
        """Delete what may have come of what was denied."""
        while self._unclear:
            tenant, url = self._unclear.pop()
            self._clear(self.apis[tenant], url)

    def start(self, every_s: float) -> None:
        """Let newcomers subscribe from time to time."""
        self._thread = threading.Thread(
            target=self._welcome, args=(every_s,), name="subscribing", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Let no more come."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(GIVE_UP_S)
        if self.failed is not None:
            raise self.failed

    def _welcome(self, every_s: float) -> None:
        try:
            for _ in range(NEWCOMERS_MOST):
                if self._stop.wait(every_s):
                    return
                self.subscribe(self.rng.choice(list(self.apis)), "healthy", ["*"])
        except BaseException as error:
            self.failed = error

    def _create(self, api: Api, url: str, patterns: Sequence[str]) -> dict[str, Any] | None:
        try:
            answer = api.call("POST", "/v1/webhooks", json={"url": url, "events": list(patterns)})
        except httpx.TransportError:
            return None
        if answer.status_code == httpx.codes.CREATED:
            made: dict[str, Any] = answer.json()
            return made
        assert answer.status_code in (401, 503), answer.text
        return None

    def _clear(self, api: Api, url: str) -> None:
        """Delete what an unanswered try has left, if it has."""
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            time.sleep(AGAIN_S)
            try:
                answer = api.call("GET", "/v1/webhooks")
                if answer.status_code == httpx.codes.OK:
                    left = [each["id"] for each in answer.json()["data"] if each["url"] == url]
                    if all(
                        api.call("DELETE", f"/v1/webhooks/{each}").status_code in (204, 404) for each in left
                    ):
                        return
            except httpx.TransportError:
                continue
        raise TimeoutError("the control API does not come back")
