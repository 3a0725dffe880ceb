"""The storm: faults in an order that a seed decides, until enough processes were killed."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.soak.ledgers import Crash
from tests.soak.phases import Phase, Site
from tests.soak.supervision import Supervisor, now_ms

CALM_S: Final = 5.0
"""How long a takeover may take beyond the dead member's session."""
FROZEN_S: Final = (12.0, 60.0)
STAYS_S: Final = 5.0
"""How long a process that joined stays at least."""

ARMED: Final[Mapping[str, str]] = {
    "delivery": "delivery.after_send:0.005,delivery.after_2xx:0.001,delivery.after_decision:0.001,"
    "delivery.after_delay_write:0.003,delivery.after_dlq_write:0.01,reader.in_revoke:0.1",
    "router": "router.after_first_write:0.002,reader.before_commit:0.003,reader.in_commit:0.003",
    "delay": "delay.before_due:0.003,delay.after_write:0.003",
    "control": "control.before_answer:0.05",
    "replay": "replay.half_way:0.02",
    "gateway": "gateway.before_answer:0.01",
    "ledger": "ledger.after_write:0.01",
}
"""Failpoints of the first copy of each program."""


@dataclass(slots=True)
class Storm:
    """Lets faults happen.

    Args:
        kills: How many processes are killed, the broker included.
        lasting_s: How long that takes at least, calm kills apart.
        broker_kills: How many of them are the broker's.
        phases: What happens to everybody, spread over the whole.
        calm_kills: How many are of a delivery process, with nothing else going on, to measure the takeover.
        frozen_most_s: How long a process is frozen at most.
        meanwhile: Called now and then.
        deny: Called while Kafka acknowledges nothing: asks the API for something that it can't promise.

    Attributes:
        calm: The calm kills.
        broker_killed: How often the broker was killed.
    """

    supervisor: Supervisor
    site: Site
    rng: random.Random
    kills: int
    lasting_s: float
    broker_kills: int
    phases: Sequence[Phase]
    calm_kills: int
    frozen_most_s: float
    session_s: float
    meanwhile: Callable[[], None]
    deny: Callable[[], None]
    calm: list[Crash] = field(default_factory=list)
    broker_killed: int = 0
    phases_over: int = 0
    happened: Counter[str] = field(default_factory=Counter)

    @property
    def calm_s(self) -> float:
        """How long nothing else happens around a kill whose takeover is measured."""
        return self.session_s + CALM_S

    @property
    def killed(self) -> int:
        """How many processes have been killed."""
        return self.supervisor.kills + self.broker_killed

    def blow(self, half_way: Callable[[], None]) -> None:
        """Let everything happen, and return when the last process was killed.

        Args:
            half_way: Called once, in the middle.
        """
        pace_s = self.lasting_s / self.kills
        is_late = False
        while self.killed < self.kills or self.phases_over < len(self.phases):
            if not is_late and self.killed >= self.kills // 2:
                half_way()
                is_late = True
            self._next()
            self._wait(pace_s * self.rng.uniform(0.5, 1.5))

    def _next(self) -> None:
        done = self.killed / self.kills
        if len(self.calm) < self.calm_kills and done >= len(self.calm) / self.calm_kills:
            self._calm_kill()
        elif (
            self.broker_killed < self.broker_kills and done >= (self.broker_killed + 0.5) / self.broker_kills
        ):
            self._kill_broker()
        elif self.phases_over < len(self.phases) and done >= (self.phases_over + 0.5) / len(self.phases):
            self._live_through(self.phases[self.phases_over])
            self.phases_over += 1
        else:
            fault = self.rng.choices((self._kill, self._roll, self._freeze, self._join), (80, 6, 4, 10))[0]
            fault()

    def _kill(self) -> None:
        victims = self.supervisor.ready()
        if victims:
            self.happened["kill"] += 1
            self.supervisor.kill(self.rng.choice(victims))

    def _roll(self) -> None:
        name = self.rng.choice(("router", "delivery", "delay"))
        for ward in self.supervisor.ready(name):
            self.happened["stop"] += 1
            self.supervisor.ask_to_stop(ward)
            self._wait(1.0)

    def _freeze(self) -> None:
        victims = self.supervisor.ready()
        if victims:
            self.happened["freeze"] += 1
            longest = max(FROZEN_S[0], min(FROZEN_S[1], self.frozen_most_s))
            self.supervisor.freeze(self.rng.choice(victims), self.rng.uniform(FROZEN_S[0], longest))

    def _join(self) -> None:
        name = self.rng.choice(("router", "delivery", "delay"))
        guests = [ward for ward in self.supervisor.ready(name) if ward.is_guest]
        if guests:
            self.happened["leave"] += 1
            self.supervisor.ask_to_stop(guests[0], for_good=True)
        else:
            self.happened["join"] += 1
            self.supervisor.join(name)
            self._wait(STAYS_S)

    def _calm_kill(self) -> None:
        if self.happened:
            self.supervisor.thaw_all()
            self.supervisor.disarm()
            self.supervisor.await_rest(30.0)
            self._wait(self.calm_s)
        victims = self.supervisor.ready("delivery")
        if victims:
            self.happened["calm kill"] += 1
            self.calm.append(self.supervisor.kill(self.rng.choice(victims)))
            self._wait(self.calm_s)
        self.supervisor.arm(ARMED)

    def _kill_broker(self) -> None:
        self.happened["broker kill"] += 1
        self.broker_killed += 1
        phase = Phase("brokers", self.rng.uniform(0.0, 6.0))
        self.site.run(phase, self._wait, self.supervisor.kafka_goes)

    def _live_through(self, phase: Phase) -> None:
        """Let something happen to everybody; processes that are killed meanwhile have to start in it."""
        self.happened[phase.kind] += 1

        def begun() -> None:
            if phase.is_outage:
                self.supervisor.kafka_goes()
                self.deny()
            for name in ("delivery", "router", "delay"):
                victims = self.supervisor.ready(name)
                if victims:
                    self.supervisor.kill(self.rng.choice(victims))

        def wait(seconds: float) -> None:
            self._wait(seconds)
            if phase.is_outage:
                self.deny()

        since_ms = now_ms()
        self.site.run(phase, wait, begun)
        if phase.is_faltering:
            self.supervisor.kafka_faltered(since_ms)

    def _wait(self, seconds: float) -> None:
        if self.supervisor.failed is not None:
            raise self.supervisor.failed
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.meanwhile()
            time.sleep(min(left, 0.5))
