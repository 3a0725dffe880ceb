"""Prometheus' own tool, which reads rules and tries them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from deploy.local import debian
from deploy.local import settings as local_settings
from deploy.local.progress import aloud


def promtool(*arguments: str | Path) -> None:
    """Run it, and fail with what it says unless it finds everything in order."""
    done = subprocess.run([_program(), *arguments], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def _program() -> Path:
    on_path = shutil.which("promtool")
    if on_path is not None:
        return Path(on_path)
    unpacked = local_settings.load().lib / "prometheus"
    if not unpacked.exists():
        debian.unpack("prometheus", "promtool, which tries the alerts,", unpacked, aloud)
    return unpacked / "usr" / "bin" / "promtool"
