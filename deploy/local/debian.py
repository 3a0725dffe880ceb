"""Install a system package where that can be done without asking anybody: as root on Debian or its kin."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.progress import Say, step


def install(package: str, purpose: str, say: Say) -> None:
    """Install `package` with apt-get.

    Args:
        package: Name of the Debian package.
        purpose: What it is needed for, for the message: `Maven, which fetches Kafka`.
        say: Receives what is done.

    Raises:
        StackError: Not root, not Debian, or apt-get failed; the message names the command to run.
    """
    missing = f"{purpose} is missing"
    if not shutil.which("apt-get"):
        raise StackError(f"{missing}; install it with your system's packages, then run this again")
    if os.geteuid() != 0:
        raise StackError(f"{missing}; install it: sudo apt-get install -y {package}")
    with step(say, f"{missing}: apt-get install {package}"), _alone():
        for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
            _apt_get(command, package)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other test process installs: apt-get takes its locks or fails."""
    with (Path(tempfile.gettempdir()) / "tocsin-apt-get.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _apt_get(arguments: list[str], package: str) -> None:
    done = subprocess.run(
        ["apt-get", "-q", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise StackError(f"apt-get could not install {package} ({' '.join(last)}); install it by hand")
