"""Keeps the processes of the soak alive: whoever dies is started again at once, and it is written down why."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from deploy.local.programs import Fleet, Program
from tests.soak.ledgers import Crash
from tocsin import failpoints
from tocsin.kafka import lease

LOOK_EVERY_S: Final = 0.02
BLIND_MS: Final = 200.0
"""How long delivery may take to see that its lease has run out."""

State = Literal["running", "frozen", "stopping", "leaving"]
"""`stopping` is started again once it has ended, `leaving` is not."""


@dataclass(slots=True, eq=False)
class Ward:
    """A process in the supervisor's care.

    Attributes:
        is_guest: It joined later, and may leave again.
        killed_ms: When it was killed on purpose, None while it was not.
        seen_ms: When it was last seen alive.
    """

    program: Program
    is_guest: bool = False
    state: State = "running"
    killed_ms: float | None = None
    seen_ms: float = 0.0

    @property
    def label(self) -> str:
        """Its name and number."""
        return f"{self.program.name}-{self.program.number}"

    @property
    def is_ready(self) -> bool:
        """Whether it makes progress, and may be the next victim."""
        return self.state == "running" and self.killed_ms is None and self.program.says("ready")


@dataclass(slots=True)
class Supervisor:
    """Watches on a thread of its own.

    Attributes:
        crashes: Deaths and freezes of delivery processes.
        kills: Deaths by SIGKILL, failpoints included, of all processes.
        failures: Processes that ended although nobody asked them to, with their last words.
        peaks_mib: Program to the most memory that one of its processes was seen to have held.
    """

    fleet: Fleet
    session_s: float
    wards: list[Ward] = field(default_factory=list)
    crashes: list[Crash] = field(default_factory=list)
    kills: int = 0
    failures: list[str] = field(default_factory=list)
    peaks_mib: dict[str, float] = field(default_factory=dict)
    failed: BaseException | None = None
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; the fleet runs already."""
        self.wards += [Ward(program, seen_ms=now_ms()) for program in self.fleet.programs]
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the care; the processes go on."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)
        if self.failed is not None:
            raise self.failed

    def ready(self, name: str | None = None) -> list[Ward]:
        """Return who may be the next victim."""
        with self._lock:
            return [ward for ward in self.wards if name in (None, ward.program.name) and ward.is_ready]

    def kill(self, ward: Ward) -> Crash:
        """Kill a process, and return when that was."""
        with self._lock:
            before = now_ms()
            ward.program.process.signal(signal.SIGKILL)
            ward.killed_ms = before
            self.kills += 1
            return self._crashed(ward, f"{ward.label} killed", before, now_ms())

    def kafka_goes(self) -> None:
        """Kafka has just gone: what is answered from now on is decided when it is back, by whoever owns it then.

        Delivery goes on sending until its lease has run out.
        """
        with self._lock:
            now = now_ms()
            self.crashes.append(
                Crash("Kafka gone", now, now + 1000 * lease.SHARE * self.session_s + BLIND_MS)
            )

    def kafka_faltered(self, since_ms: float) -> None:
        """Kafka could be reached only now and then: partitions changed hands with decisions still on their way."""
        with self._lock:
            self.crashes.append(Crash("Kafka faltered", since_ms, now_ms()))

    def ask_to_stop(self, ward: Ward, *, for_good: bool = False) -> None:
        """Ask a process to stop."""
        with self._lock:
            ward.state = "leaving" if for_good else "stopping"
            ward.program.process.signal(signal.SIGTERM)

    def join(self, name: str) -> None:
        """Start one more copy of a program."""
        with self._lock:
            (program,) = self.fleet.add(name)
            program.start(wait=False)
            self.wards.append(Ward(program, is_guest=True, seen_ms=now_ms()))

    def freeze(self, ward: Ward, for_s: float) -> None:
        """Freeze a process, and let it run on after a while."""
        with self._lock:
            before = now_ms()
            ward.program.freeze()
            ward.state = "frozen"
            self._crashed(ward, f"{ward.label} frozen", before, now_ms())
            self._later.append((time.monotonic() + for_s, lambda: self._thaw(ward)))

    def thaw_all(self) -> None:
        """Let everyone run on now."""
        with self._lock:
            for ward in self.wards:
                if ward.state == "frozen":
                    self._thaw(ward)

    def unrest(self) -> list[str]:
        """Return who is not running and ready."""
        with self._lock:
            return [ward.label for ward in self.wards if not ward.is_ready]

    def arm(self, failpoints_of: Mapping[str, str]) -> None:
        """Let the first copy of each program die at failpoints, from its next start on.

        Args:
            failpoints_of: Program to the value of `TOCSIN_FAILPOINT`.
        """
        with self._lock:
            for ward in self.wards:
                if ward.program.number == 1:
                    points = {
                        failpoints.VARIABLE: failpoints_of.get(ward.program.name, ""),
                        failpoints.PERMISSION: "1",
                    }
                    ward.program = replace(ward.program, environment={**ward.program.environment, **points})

    def disarm(self) -> None:
        """Let those that may die at a failpoint stop, and start again without."""
        with self._lock:
            for ward in self.wards:
                if failpoints.VARIABLE in ward.program.environment:
                    safe = {k: v for k, v in ward.program.environment.items() if k != failpoints.VARIABLE}
                    ward.program = replace(ward.program, environment=safe)
                    self.ask_to_stop(ward)

    def weigh(self) -> None:
        """Look how much memory everyone has held at most."""
        with self._lock:
            for ward in self.wards:
                pid = ward.program.process.pid()
                if pid is not None:
                    name = ward.program.name
                    self.peaks_mib[name] = max(self.peaks_mib.get(name, 0.0), _peak_mib(pid))

    def await_rest(self, timeout_s: float) -> None:
        """Return once everyone is running and ready, or after a while in any case."""
        deadline = time.monotonic() + timeout_s
        while self.unrest() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _thaw(self, ward: Ward) -> None:
        if ward.state == "frozen":
            before = now_ms()
            ward.program.thaw()
            ward.state = "running"
            self._crashed(ward, f"{ward.label} thawed", before, now_ms())

    def _crashed(self, ward: Ward, what: str, at_ms: float, seen_ms: float) -> Crash:
        crash = Crash(what, at_ms, seen_ms)
        if ward.program.name == "delivery":
            self.crashes.append(crash)
        return crash

    def _run(self) -> None:
        try:
            while not self._stop.wait(LOOK_EVERY_S):
                with self._lock:
                    self._do_what_is_due()
                    for ward in list(self.wards):
                        self._look_at(ward)
        except BaseException as error:
            self.failed = error

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        due = [act for at, act in self._later if at <= now]
        self._later = [(at, act) for at, act in self._later if at > now]
        for act in due:
            act()

    def _look_at(self, ward: Ward) -> None:
        now = now_ms()
        if ward.program.process.pid() is not None:
            ward.seen_ms = now
            return
        self._write_down(ward, now)
        if ward.state == "leaving":
            self.wards.remove(ward)
            return
        ward.program.start(wait=False)
        ward.state, ward.killed_ms, ward.seen_ms = "running", None, now

    def _write_down(self, ward: Ward, now: float) -> None:
        if ward.killed_ms is not None or (
            ward.state in ("stopping", "leaving") and ward.program.says("stopped")
        ):
            return
        words = _last_words(ward.program)
        if words:
            self.failures.append(f"{ward.label}: {words}")
        else:
            self.kills += 1  # a failpoint: whoever dies by one has no last words
        self._crashed(ward, f"{ward.label} died", ward.seen_ms, now)


def now_ms() -> float:
    """Return the time of day, milliseconds since the epoch."""
    return time.time_ns() / 1_000_000


def _peak_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _last_words(program: Program) -> str:
    """Return why a program has ended by itself; who was killed has had no time to say anything."""
    lines = program.process.said().splitlines()
    if any(line.startswith("Traceback") for line in lines):
        return lines[-1]
    return next((line for line in reversed(lines) if " stops: " in line), "")
