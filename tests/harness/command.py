"""The `tocsin` command: in this process, where no second interpreter has to start, and in one of its own."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from tests.harness.installation import Installation
from tocsin import cli

COMMAND = Path(sys.executable).with_name("tocsin")


def _where(made: Installation) -> dict[str, str]:
    """Return the variables that lead to an installation."""
    settings = made.settings
    return {
        "TOCSIN_KAFKA": settings.kafka,
        "TOCSIN_REGISTRY": settings.registry,
        "TOCSIN_TOPIC_PREFIX": settings.topic_prefix,
        "TOCSIN_PARTITIONS": str(settings.partitions),
    }


class Command:
    """The command in this process, with the settings of one installation; its standard input is no terminal.

    Args:
        environment: Variables besides, over those.
    """

    def __init__(self, made: Installation, **environment: str) -> None:
        self._environment = {**_where(made), **environment}

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Run a command and return what it printed; AssertionError for another exit code."""
        out, err = io.StringIO(), io.StringIO()
        with (
            warnings.catch_warnings(),
            mock.patch.dict("os.environ", self._environment),
            mock.patch("sys.stdin", io.StringIO()),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            # A command leaves its connections to the end of its process.
            warnings.simplefilter("ignore", ResourceWarning)
            ended = cli.run(arguments)
            gc.collect()
        assert ended == code, out.getvalue() + err.getvalue()
        return out.getvalue(), err.getvalue()

    def json(self, *arguments: str) -> Any:
        """Run a command with `--json` and return its document."""
        return json.loads(self.run(*arguments, "--json")[0])


@dataclass(frozen=True, slots=True)
class Tocsin:
    """The command as a process, with the settings of one installation."""

    made: Installation
    home: Path
    api_key: str | None = None
    besides: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Return the environment: this installation's settings and nothing of the caller's."""
        known = {
            **_where(self.made),
            "TOCSIN_API": self.made.api_url,
            "TOCSIN_ALLOW_HTTP": "true",
            "TOCSIN_ALLOW_CIDRS": '["127.0.0.0/8"]',
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        key = {"TOCSIN_API_KEY": self.api_key} if self.api_key else {}
        return {**inherited, **known, **key, **self.besides}

    def run(self, *arguments: str, stdin: str = "", code: int = 0, **environment: str) -> tuple[str, str]:
        """Run a command to its end and return what it printed; AssertionError for another exit code."""
        ended = subprocess.run(
            [COMMAND, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.home,
            env=self.environment() | environment,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return ended.stdout, ended.stderr

    def json(self, *arguments: str) -> Any:
        """Run a command with `--json` and return its document."""
        return json.loads(self.run(*arguments, "--json")[0])

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command that goes on until it is interrupted."""
        process = subprocess.Popen(
            [COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=self.environment(),
            preexec_fn=_interruptible,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=10)


def _interruptible() -> None:
    """Take back what a shell does to commands in the background, which a test run may be: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
