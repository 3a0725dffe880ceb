"""A shell that stays: what one command sets or starts the next one finds, as for a person at a terminal."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_ENDS_WITHIN_S: Final = 60.0
_ENDED: Final = "the shell has ended"


class Shell:
    """One bash; the first command that fails ends it.

    Args:
        folder: Where it starts.
        environment: Its whole environment.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-s"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        self._folder, self._ran = folder, 0
        self._said, self._ended = "", False
        self._moved = threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        # What it left running holds its output open, so that its end has to be told.
        self._tell(f"trap 'echo {_ENDED}' EXIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        # What it has started in the background belongs to its group.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def run(self, commands: str) -> None:
        """Run commands to their end; AssertionError with all that they said if one fails."""
        self._ran += 1
        script, mark = self._folder / f".commands-{self._ran}", f"ended-{self._ran}"
        script.write_text(commands)
        with self._moved:
            self._said = ""
        # Not through standard input: a command that reads it would read those that follow.
        self._tell(f". {shlex.quote(str(script))} </dev/null; echo {mark}")
        self.await_said(rf"^{mark}$")

    def await_said(self, pattern: str, timeout_s: float = _ENDS_WITHIN_S) -> re.Match[str]:
        """Return once the last commands, or what they left running, have said something; else AssertionError."""
        wanted = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout_s
        with self._moved:
            while (found := wanted.search(self._said)) is None:
                left_s = deadline - time.monotonic()
                assert not self._ended, f"a command failed:\n{self._said}"
                assert left_s > 0, f"{pattern!r} was not said within {timeout_s:.0f} s:\n{self._said}"
                self._moved.wait(left_s)
            return found

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._moved:
                self._said += line
                self._ended |= line.strip() == _ENDED
                self._moved.notify_all()
