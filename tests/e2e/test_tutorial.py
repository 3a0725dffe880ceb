"""The tutorial, as its reader goes through it: every command of the page, in its order, from nothing.

Besides its name a block of the page may say: `terminal=second`, it goes on running there; `until=WORD`, it is watched until
that is shown, then Ctrl-C; `shows=WORD`, it is run again until it shows that; `second=WORD`, the second terminal shows
that afterwards; `ends=second`, Ctrl-C there first.
"""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from deploy.local import environment
from deploy.local.settings import CHECKOUT
from tests.harness import apart, page

PAGE: Final = CHECKOUT / "docs" / "tutorial.md"
SHOWN_WITHIN_S: Final = 60.0


class Screen:
    """What a program that goes on running prints, line by line."""

    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self.shown: list[str] = []
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec {text}"],
            cwd=CHECKOUT,
            env={**variables, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Whoever started the tests in the background has them ignore Ctrl-C, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def await_word(self, word: str) -> None:
        """Wait until a new line with this word is shown."""
        while True:
            try:
                line = self._lines.get(timeout=SHOWN_WITHIN_S)
            except queue.Empty:
                raise AssertionError(f"{word!r} is not shown: {self.shown}") from None
            if word in line:
                return

    def forget(self) -> None:
        """Let only lines count that are shown from now on."""
        while not self._lines.empty():
            self._lines.get()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.wait(30.0)
        self._reading.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self.shown.append(line)
                self._lines.put(line)


def run(text: str, variables: dict[str, str], state: Path) -> str:
    """Run a block in the first terminal, keep the variables that it exports, and return what it prints."""
    done = subprocess.run(
        ["bash", "-c", f"set -e\n{text}\nenv -0 >{state}"],
        cwd=CHECKOUT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    variables.clear()
    variables.update(entry.partition("=")[::2] for entry in state.read_text().split("\0") if entry)
    return done.stdout


def await_shown(text: str, word: str, variables: dict[str, str], state: Path) -> None:
    """Run a block again, as a reader would, until it prints a word."""
    deadline_s = time.monotonic() + SHOWN_WITHIN_S
    while word not in (shown := run(text, variables, state)):
        assert time.monotonic() < deadline_s, f"{text} does not show {word!r}: {shown}"


@contextmanager
def own_home(home: Path) -> Iterator[dict[str, str]]:
    """Variables with which everything runs beside what this machine runs already; at the end nothing runs any more."""
    home.mkdir()
    variables = apart.environment(home)
    try:
        yield variables
    finally:
        subprocess.run(
            [sys.executable, "-m", "deploy.local.programs", "down"], cwd=CHECKOUT, env=variables, check=True
        )


@pytest.mark.timeout(300)
def test_every_command_of_the_tutorial_does_what_the_page_says(tmp_path: Path) -> None:
    commands, files = page.blocks(PAGE), tmp_path / "files"
    page.write_files(commands, files)
    second: Screen | None = None
    with own_home(tmp_path / "home") as variables:
        for block in commands:
            if block.language != "sh":
                continue
            text, marks = block.text.replace("service.py", str(files / "service.py")), block.marks
            if second is not None:
                second.forget()
                if marks.keys() & {"terminal", "ends"}:
                    second.interrupt()
            if "terminal" in marks:
                second = Screen(text, variables)
                second.await_word("listening")
            elif "until" in marks:
                watching = Screen(text, variables)
                watching.await_word(marks["until"])
                watching.interrupt()
            elif "shows" in marks:
                await_shown(text, marks["shows"], variables, tmp_path / "state")
            else:
                run(text, variables, tmp_path / "state")
                # In the checkout that everybody uses the command finds this file by itself.
                variables.update(environment.read(tmp_path / "home" / "local.env"))
            if "second" in marks:
                assert second is not None
                second.await_word(marks["second"])
    assert second is not None
    # What it let fail, the replay, and what the program published.
    assert "3 received, 3 verified, 0 refused" in second.shown[-1]
    assert not apart.running(tmp_path / "home")
