"""Fetch what the stack runs, as Maven artifacts.

A download lands beside its destination and is renamed when it is whole, so that a directory that exists is complete.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.local import debian
from deploy.local.errors import StackError
from deploy.local.progress import Say, step
from deploy.local.settings import KAFKA_VERSION, REGISTRY_VERSION
from deploy.local.turns import alone

POM = Path(__file__).with_name("pom.xml")
REGISTRY_ARTIFACT = f"io.apicurio:apicurio-registry-app:{REGISTRY_VERSION}:tar.gz:all"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin"
ROOM_BYTES = 1 << 30
"""Downloads take 211 MB here and Maven keeps copies of its own; the rest is room for data."""


def kafka(lib: Path, java_home: Path, say: Say) -> Path:
    """The directory of Kafka's jars, fetched if it is not there.

    Raises:
        StackError: Maven is missing or failed, or the disk is full.
    """
    # The pom decides what is fetched besides Kafka itself.
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    target = lib / f"kafka-{KAFKA_VERSION}-{digest}"
    goal = [f"{PLUGIN}:copy-dependencies", "-DincludeScope=runtime"]
    return _fetch(f"fetching Kafka {KAFKA_VERSION}", target, goal, java_home, say)


def registry(lib: Path, java_home: Path, say: Say) -> Path:
    """The directory of the registry, fetched and unpacked if it is not there.

    Raises:
        StackError: Maven is missing or failed, or the disk is full.
    """
    target = lib / f"registry-{REGISTRY_VERSION}"
    goal = [f"{PLUGIN}:unpack", f"-Dartifact={REGISTRY_ARTIFACT}"]
    return _fetch(f"fetching the registry {REGISTRY_VERSION}", target, goal, java_home, say)


def _fetch(text: str, target: Path, goal: list[str], java_home: Path, say: Say) -> Path:
    if target.exists():
        return target
    if not shutil.which("mvn"):
        debian.install("maven", "Maven (mvn), which fetches Kafka and the registry,", say)
    with alone(target.parent, say):
        if not target.exists():
            _require_room(target.parent)
            part = target.with_name(f"{target.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            with step(say, text):
                _maven(goal, part, java_home)
            part.rename(target)
    return target


def _maven(goal: list[str], target: Path, java_home: Path) -> None:
    # The plugin leaves notes beside the pom; they shall not land in the checkout.
    work = target.with_name(f"{target.name}.maven")
    work.mkdir(exist_ok=True)
    shutil.copy(POM, work)
    # -C: what does not have the checksum that stands beside it ends the build, where Maven would only warn.
    command = ["mvn", "-B", "-C", f"-Dkafka.version={KAFKA_VERSION}", *goal, f"-DoutputDirectory={target}"]
    environment = os.environ if shutil.which("java") else {**os.environ, "JAVA_HOME": str(java_home)}
    try:
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False, env=environment)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if done.returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        raise StackError(
            f"Maven failed: {complaint(done.stdout + done.stderr)}; check the network, then run this again"
        )


def complaint(output: str) -> str:
    """The first error line that Maven printed, without its colours and its label."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", output).splitlines()
    errors = [line.removeprefix("[ERROR]").strip() for line in lines if line.startswith("[ERROR]")]
    return next((line for line in errors if line), " ".join(lines[-1:]) or "no output")


def _require_room(directory: Path) -> None:
    free = shutil.disk_usage(directory).free
    if free < ROOM_BYTES:
        raise StackError(
            f"{free >> 20} MiB free in {directory}, {ROOM_BYTES >> 20} are needed; make room or set TOCSIN_HOME"
        )
