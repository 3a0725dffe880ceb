"""The demo, as a new user runs it: everything from nothing, on ports and a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import settings as local_settings
from tests.harness.installation import free_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(240)
def test_demo_verifies_every_documented_system_and_loses_nothing(tmp_path: Path) -> None:
    """The last line and the exit code say so; afterwards nothing runs any more."""
    downloads = local_settings.load().lib
    downloads.mkdir(parents=True, exist_ok=True)
    (tmp_path / "lib").symlink_to(downloads)
    ports = (
        "KAFKA_PORT",
        "KAFKA_CONTROLLER_PORT",
        "REGISTRY_PORT",
        "REGISTRY_MANAGEMENT_PORT",
        "CONTROL_PORT",
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")},
        **{f"TOCSIN_{name}": str(free_port()) for name in ports},
        "TOCSIN_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local.demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    last_line = [line for line in done.stdout.splitlines() if line.startswith("demo: ")]
    assert done.returncode == 0, done.stdout + done.stderr
    assert last_line == ["demo: 5 of 5 systems verified, 34 delivered, 0 lost"]
    assert not [path for path in (tmp_path / "run").glob("*.pid") if path.exists()]
