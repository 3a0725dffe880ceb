"""Tocsin's programs as child processes beside the local stack: what `make up` leaves running.

`python -m deploy.local.programs up | down | status`, which is `make up`, `make down` and `make status`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from deploy.local import environment, private, stack, terminal
from deploy.local.authority import Authority
from deploy.local.errors import StackError
from deploy.local.first_key import first_key
from deploy.local.process import ChildProcess
from deploy.local.progress import Say, aloud, silent, step
from deploy.local.settings import LocalSettings
from deploy.local.settings import load as load_local_settings
from tocsin import secrets

MODULES: Mapping[str, str] = {
    "control": "control",
    "gateway": "producers.gateway",
    "router": "consumers.router",
    "delivery": "consumers.delivery",
    "delay": "consumers.delay",
    "replay": "consumers.replay",
    "ledger": "consumers.ledger",
}
"""Program name to the module that `python -m` runs."""

READY_S = 60.0
STOP_S = 40.0


@dataclass(frozen=True, slots=True)
class Program:
    """One process of one program.

    Args:
        name: Key of `MODULES`.
        number: Tells copies of a program apart.
        home: Where its pid file and log lie.
        environment: Its whole environment.
    """

    name: str
    number: int
    home: Path
    environment: Mapping[str, str]

    @property
    def process(self) -> ChildProcess:
        """Its process."""
        label = f"{self.name}-{self.number}"
        return ChildProcess(self.home / "run" / f"{label}.pid", self.home / "log" / f"{label}.log")

    def start(self, *, wait: bool = True) -> None:
        """Start it if it does not run, and wait until it says that it is ready.

        Raises:
            StackError: It ended while starting, or is not ready in time.
        """
        if self.process.pid() is not None:
            return
        self.process.start([sys.executable, "-m", MODULES[self.name]], self.environment)
        if wait:
            self.await_ready()

    def await_ready(self, timeout_s: float = READY_S) -> None:
        """Wait until it says that it is ready; raises as `start`."""
        until = time.monotonic() + timeout_s
        log = self.process.log_file
        while not self.says("ready"):
            if self.process.pid() is None:
                raise StackError(
                    f"{self.name} ended while starting: {self.process.complaint()} (whole log: {log})"
                )
            if time.monotonic() > until:
                raise StackError(f"{self.name} is not ready after {timeout_s:.0f} s; see {log}")
            time.sleep(0.05)

    def says(self, text: str) -> bool:
        """Whether a line that it logged since its start ends with `text`."""
        return any(line.endswith(text) for line in self.process.said().splitlines())

    def stop(self) -> None:
        """Ask it to stop, and wait for it."""
        self.process.stop(STOP_S)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()

    def freeze(self) -> None:
        """Stop it from running, sockets open."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one run on."""
        self.process.signal(signal.SIGCONT)


@dataclass(slots=True)
class Fleet:
    """All programs of one installation.

    Args:
        home: Where pid files and logs lie.
        environment: Settings of every program (`TOCSIN_*`), over this process's own.
    """

    home: Path
    environment: Mapping[str, str]
    programs: list[Program] = field(default_factory=list)

    def add(self, name: str, count: int = 1, **extra: str) -> list[Program]:
        """Add copies of a program, not yet started; `extra` goes into their environment."""
        taken = sum(program.name == name for program in self.programs)
        whole = {**os.environ, **self.environment, **extra}
        added = [Program(name, taken + number + 1, self.home, whole) for number in range(count)]
        self.programs += added
        return added

    def start(self, say: Say = silent) -> None:
        """Start all that do not run, at once, and wait until every one is ready."""
        with step(say, f"starting {len(self.programs)} programs"):
            for program in self.programs:
                program.start(wait=False)
            for program in self.programs:
                program.await_ready()

    def stop(self, say: Say = silent) -> None:
        """Stop all: everyone is asked first, then waited for."""
        running = [program for program in self.programs if program.process.pid() is not None]
        if not running:
            return
        with step(say, f"stopping {len(running)} programs"):
            for program in running:
                program.process.signal(signal.SIGTERM)
            # Not a second SIGTERM: a program takes that for haste, and drops what it has under way.
            for program in running:
                program.process.await_end(STOP_S)

    def kill(self) -> None:
        """End all as a crash would, at once."""
        for program in self.programs:
            program.process.signal(signal.SIGKILL)
        for program in self.programs:
            program.kill()


def local_fleet(settings: LocalSettings) -> Fleet:
    """Return the fleet of a checkout: one of each program, and a second delivery consumer."""
    fleet = Fleet(settings.home, environment.read(settings.environment_file))
    for name in MODULES:
        fleet.add(name, 2 if name == "delivery" else 1)
    return fleet


def configure(settings: LocalSettings) -> None:
    """Write what programs on this machine need: a keyring, an authority to trust, and leave to send to loopback."""
    keyring = settings.home / "keyring"
    if not keyring.exists():
        private.write(keyring, f"{secrets.new_key_line('local')}\n".encode())
    authority = Authority(settings.home / "authority")
    authority.ensure(datetime.now(UTC))
    environment.remember(
        settings.environment_file,
        {
            "TOCSIN_API": settings.api,
            "TOCSIN_CONTROL_PORT": str(settings.control_port),
            "TOCSIN_GATEWAY": settings.gateway,
            "TOCSIN_GATEWAY_PORT": str(settings.gateway_port),
            "TOCSIN_CA_FILE": str(authority.ca_file),
            "TOCSIN_KEYRING_FILE": str(keyring),
            "TOCSIN_LEDGER": f"sqlite:///{settings.ledger}",
            "TOCSIN_ALLOW_HTTP": "true",
            "TOCSIN_ALLOW_CIDRS": '["127.0.0.0/8"]',
        },
    )


def up(settings: LocalSettings, say: Say = silent) -> Fleet:
    """Start the stack and every program; what already runs is left alone.

    Raises:
        StackError: Something is missing or in the way; the message names the remedy.
    """
    stack.up(settings, say)
    configure(settings)
    first_key(settings)  # what is asked over HTTP does not start while nobody could ask it
    fleet = local_fleet(settings)
    fleet.start(say)
    return fleet


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        Exit code: 0 if it did what was asked (for `status`: if all runs and both services answer), else 1.
    """
    parser = argparse.ArgumentParser(prog="python -m deploy.local.programs")
    parser.add_argument("verb", choices=("up", "down", "status"))
    run = {"up": _up, "down": _down, "status": _status}[parser.parse_args(arguments).verb]
    return terminal.ended(lambda: run(load_local_settings()))


def _up(settings: LocalSettings) -> int:
    up(settings, aloud)
    print(f"everything runs; the control API is at {settings.api}, the gateway at {settings.gateway}")
    print(f"the console: {settings.api}/console/\nsign in with {first_key(settings)}")
    return 0


def _down(settings: LocalSettings) -> int:
    local_fleet(settings).stop(aloud)
    stack.down(settings, aloud)
    return 0


def _status(settings: LocalSettings) -> int:
    services = stack.status(settings)
    terminal.show(services)
    pids = {
        f"{program.name}-{program.number}": program.process.pid()
        for program in local_fleet(settings).programs
    }
    for label, pid in pids.items():
        print(f"{label:<16} {f'running, pid {pid}' if pid else 'stopped'}")
    return 0 if all(status.answers for status in services) and all(pids.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
