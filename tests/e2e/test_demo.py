"""The demo, as a new user runs it: everything from nothing, on ports and a home of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.settings import CHECKOUT
from tests.harness import apart


@pytest.mark.timeout(240)
def test_demo_verifies_every_documented_system_and_loses_nothing(tmp_path: Path) -> None:
    """The last line and the exit code say so; afterwards nothing runs any more."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local.demo"],
        cwd=CHECKOUT,
        env=apart.environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    last_line = [line for line in done.stdout.splitlines() if line.startswith("demo: ")]
    assert done.returncode == 0, done.stdout + done.stderr
    assert last_line == ["demo: 5 of 5 systems verified, 34 delivered, 0 lost"]
    assert not apart.running(tmp_path)
