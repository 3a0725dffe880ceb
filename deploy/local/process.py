"""A child process that outlives its starter and is found again by its pid file.

A pid alone proves nothing: the process may be gone and its number given to another. So the pid file also holds
the time the process started, and nobody is signalled unless both agree.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_S = 0.02
ROTATE_BYTES = 10 * 1024 * 1024
"""Looked at when a process starts; a run by itself is not bounded."""


TELLING = ("ERROR", "FATAL", "Caused by", "Exception", "Error:")


@dataclass(frozen=True, slots=True)
class _Record:
    """What a pid file holds; `log_from` is where this run begins in the log, in bytes."""

    pid: int
    identity: str
    log_from: int = 0


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A process known by its pid file.

    Args:
        pid_file: Holds pid and identity of the process that was started last, and where its log begins.
        log_file: Receives its stdout and stderr, appended; the file before it is kept as `.1`.
    """

    pid_file: Path
    log_file: Path

    def pid(self) -> int | None:
        """The pid of the process if it lives, else None; a pid file that lies counts as none."""
        record = self._record()
        return record.pid if record and identity(record.pid) == record.identity else None

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Start `command` in a session of its own, so that neither a hang-up nor Ctrl-C reaches it.

        Args:
            command: Absolute path of the program and its arguments.
            environment: Its whole environment.

        Returns:
            Its pid.
        """
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        log_from = self._rotate()
        # Not subprocess.Popen: it warns when it is collected before its child has ended, and ours is meant to go on.
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawn(
            command[0],
            list(command),
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log_file), append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE),
        )
        part = self.pid_file.with_suffix(".part")
        part.write_text(json.dumps(asdict(_Record(pid, identity(pid) or "", log_from))))
        part.replace(self.pid_file)
        return pid

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; False if there is no such process."""
        pid = self.pid()
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def stop(self, deadline_s: float) -> None:
        """End the process: SIGTERM, and SIGKILL once `deadline_s` seconds have passed."""
        self.signal(signal.SIGTERM)
        self.await_end(deadline_s)

    def await_end(self, deadline_s: float) -> None:
        """Let a process end that was asked to; SIGKILL once `deadline_s` seconds have passed."""
        self.signal(signal.SIGCONT)
        if not self.wait(deadline_s):
            self.kill()

    def kill(self) -> None:
        """End the process with SIGKILL and wait until it is gone."""
        self.signal(signal.SIGKILL)
        while not self.wait(1.0):
            pass

    def wait(self, deadline_s: float) -> bool:
        """Wait for the end of the process; False if it still runs after `deadline_s` seconds."""
        until = time.monotonic() + deadline_s
        while self.pid() is not None:
            if time.monotonic() > until:
                return False
            time.sleep(POLL_S)
        return True

    def said(self) -> str:
        """What it logged since its start, whether it still runs or not."""
        record = self._record()
        with self.log_file.open("rb") as log:
            log.seek(record.log_from if record else 0)
            return log.read().decode(errors="replace")

    def complaint(self) -> str:
        """The line it logged since its start that best says why it ended, or its last line."""
        lines = [line.strip() for line in self.said().splitlines() if line.strip()]
        telling = [line for line in lines if any(word in line for word in TELLING)]
        return (telling or lines or ["it logged nothing"])[-1]

    def _record(self) -> _Record | None:
        try:
            return _Record(**json.loads(self.pid_file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _rotate(self) -> int:
        if not self.log_file.exists():
            return 0
        size = self.log_file.stat().st_size
        if size <= ROTATE_BYTES:
            return size
        self.log_file.replace(self.log_file.with_name(f"{self.log_file.name}.1"))
        return 0


def identity(pid: int) -> str | None:
    """What tells this process from any other that ever has the same pid; None if it is dead or a zombie."""
    _reap(pid)
    if Path("/proc/self/stat").exists():
        return _identity_from_proc(pid)
    return _identity_from_ps(pid)


def _identity_from_proc(pid: int) -> str | None:
    try:
        # The second field is the program's name in brackets and may hold anything, brackets and blanks included.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, threads, started = fields[0], int(fields[17]), fields[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    # A killed process is called a zombie as soon as its first thread has ended; the others may still hold its ports.
    return None if state in "ZX" and threads <= 1 else f"{boot}:{started}"


def _identity_from_ps(pid: int) -> str | None:
    ps = subprocess.run(
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    state, _, started = ps.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def _reap(pid: int) -> None:
    # A child of ours stays a zombie until somebody waits for it; one of another process is none of our business.
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
