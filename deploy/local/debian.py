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


def unpack(package: str, purpose: str, target: Path, say: Say) -> None:
    """Fetch `package` with apt-get and unpack it into a folder, so that nothing is installed and nothing started.

    Args:
        package: Name of the Debian package.
        purpose: What it is needed for, for the message.
        target: The folder; it appears when it is whole.
        say: Receives what is done.

    Raises:
        StackError: Not Debian, or it cannot be fetched.
    """
    if not shutil.which("apt-get"):
        raise StackError(f"{purpose} is missing; install it with your system's packages, then run this again")
    target.parent.mkdir(parents=True, exist_ok=True)
    with step(say, f"{purpose} is missing: apt-get download {package}"), _alone():
        if target.exists():
            return
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            if os.geteuid() == 0:
                _apt_get(["update"], package)
            _apt_get(["download", package], package, work)
            (archive,) = Path(work).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", archive, f"{work}/files"], check=True)
            Path(work, "files").rename(target)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until nobody else installs: apt-get takes its locks or fails."""
    with (Path(tempfile.gettempdir()) / "tocsin-apt-get.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _apt_get(arguments: list[str], package: str, cwd: str | None = None) -> None:
    done = subprocess.run(
        ["apt-get", "-q", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise StackError(f"apt-get could not install {package} ({' '.join(last)}); install it by hand")
