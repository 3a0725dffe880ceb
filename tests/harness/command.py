"""The `tocsin` command in this process: no second interpreter has to start, so many can be run in a test."""

from __future__ import annotations

import gc
import io
import json
import warnings
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest import mock

from tests.harness.installation import Installation
from tocsin import cli


class Command:
    """The command, with the settings of one installation; its standard input is no terminal.

    Args:
        environment: Variables besides, over those.
    """

    def __init__(self, made: Installation, **environment: str) -> None:
        settings = made.settings
        self._environment = {
            "TOCSIN_KAFKA": settings.kafka,
            "TOCSIN_REGISTRY": settings.registry,
            "TOCSIN_TOPIC_PREFIX": settings.topic_prefix,
            "TOCSIN_PARTITIONS": str(settings.partitions),
            **environment,
        }

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
