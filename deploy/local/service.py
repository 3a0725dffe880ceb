"""What Kafka and the registry have in common: how one service of the stack lives."""

from __future__ import annotations

import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from deploy.local import java
from deploy.local.errors import StackError
from deploy.local.ports import require_free
from deploy.local.process import POLL_S, ChildProcess
from deploy.local.progress import Say, silent, step
from deploy.local.settings import LocalSettings, Port

START_S = 90.0
"""A start takes 2 to 7 s on two idle cores; a laptop that does other work may be slow."""

STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Service(ABC):
    """One service: installed, started, asked, stopped.

    `start` may be called again at any time; it returns at once if the service answers. Nothing here locks: that
    is the stack's business.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    settings: LocalSettings

    @property
    @abstractmethod
    def address(self) -> str:
        """What its clients are given."""

    @property
    @abstractmethod
    def ports(self) -> tuple[Port, ...]:
        """Every port that it binds."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does real work for a client, now."""

    @abstractmethod
    def install(self, java_home: Path, say: Say) -> Path:
        """Fetch it if need be; returns its directory."""

    @abstractmethod
    def prepare(self, java_home: Path, lib: Path) -> None:
        """Write its configuration and whatever else it needs on disk."""

    @abstractmethod
    def arguments(self, lib: Path) -> Sequence[str]:
        """Arguments of `java`."""

    @property
    def process(self) -> ChildProcess:
        """Its process."""
        return ChildProcess(
            self.settings.run / f"{self.name}.pid",
            self.settings.logs / f"{self.name}.log",
        )

    def require_ports(self) -> None:
        """Check that it can bind its ports, unless it runs and has done so.

        Raises:
            StackError: One is taken.
        """
        if self.process.pid() is None:
            for port in self.ports:
                require_free(port)

    def start(self, say: Say = silent) -> bool:
        """Start it and wait until it answers; a frozen one is thawed.

        Returns:
            Whether there was anything to do.

        Raises:
            StackError: A port is taken, it ended while starting, or it does not answer in time.
        """
        if self.process.pid() is not None:
            self.process.signal(signal.SIGCONT)
            if self.answers():
                return False
            with step(say, f"waiting for {self.title}"):
                self._await_answer()
            return True
        self.require_ports()
        home = java.find(self.settings.lib, os.environ, say)
        lib = self.install(home, say)
        with step(say, f"starting {self.title}"):
            self._spawn(home, lib)
            self._await_answer()
        return True

    def launch(self) -> None:
        """Start its process unless it runs, and do not wait for it; raises as `start`."""
        if self.process.pid() is None:
            self.require_ports()
            home = java.find(self.settings.lib, os.environ, silent)
            self._spawn(home, self.install(home, silent))

    def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL."""
        self.process.stop(STOP_S)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()

    def freeze(self) -> None:
        """Stop it from running, sockets open, as a long garbage collection or a lost machine would."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one run on."""
        self.process.signal(signal.SIGCONT)

    def _spawn(self, home: Path, lib: Path) -> None:
        self.prepare(home, lib)
        self.process.start(
            [str(home / "bin" / "java"), *self._jvm(), *self.arguments(lib)],
            {**os.environ, "JAVA_HOME": str(home)},
        )

    def _jvm(self) -> list[str]:
        logs = self.settings.logs
        return [
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            f"-XX:ErrorFile={logs}/{self.name}.crash.log",
        ]

    def _await_answer(self) -> None:
        until = time.monotonic() + START_S
        log = self.process.log_file
        while not self.answers():
            if self.process.pid() is None:
                raise StackError(
                    f"{self.title} ended while starting: {self.process.complaint()} (whole log: {log}); "
                    "if its data is of no use, start afresh: python -m deploy.local reset"
                )
            if time.monotonic() > until:
                raise StackError(
                    f"{self.title} runs but has not answered for {START_S:.0f} s; see {log}, "
                    "then run: python -m deploy.local down"
                )
            time.sleep(POLL_S)
