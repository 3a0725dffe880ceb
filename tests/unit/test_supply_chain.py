"""What is installed is what was chosen: every package by version and hash, from wherever it comes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def name(text: str) -> str:
    """Return a package's name in normal form."""
    return re.sub(r"[-_.]+", "-", text).lower()


def pins(file: str) -> dict[str, str]:
    return {name(package): version for package, version in _PIN.findall((ROOT / file).read_text())}


def named() -> set[str]:
    """Return the packages that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return {name(re.split(r"[\[><=!~; ]", text)[0]) for texts in lists for text in texts}


def test_lock_has_every_chosen_version_and_all_that_the_project_names() -> None:
    """`make lock` writes it anew when this says that it is old."""
    locked, chosen = pins("requirements.lock"), pins("constraints.txt")
    assert {package: locked.get(package) for package in chosen} == chosen
    assert named() - locked.keys() == set()


def test_every_locked_package_has_hashes_and_none_an_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "//" not in lock
    entries = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)
    assert len(entries) > 50
    entries.append((ROOT / "deploy" / "local" / "java.lock").read_text())
    assert [entry.split()[0] for entry in entries if entry and "--hash=sha256:" not in entry] == []


def test_installation_takes_nothing_without_a_hash() -> None:
    script = (ROOT / "deploy" / "local" / "venv.sh").read_text()
    installs = [line for line in script.splitlines() if line.startswith("pip_install ")]
    assert installs == [
        "pip_install --require-hashes -r requirements.lock",
        "pip_install --no-deps --no-build-isolation -e .",
    ]
    sources = [file.read_text() for file in (ROOT / "deploy").rglob("*.py")]
    others = [each for text in sources for each in re.findall(r'"pip", "install"(.*?)\]', text, re.DOTALL)]
    assert len(others) == 1, "Java's"
    assert [each for each in others if "--require-hashes" not in each] == []


def test_maven_takes_nothing_with_a_wrong_checksum() -> None:
    """Its artifacts have no hashes of ours, only those that stand beside them."""
    calls = re.findall(r'\["mvn", .*', (ROOT / "deploy" / "local" / "artifacts.py").read_text())
    assert len(calls) == 1
    assert '"-C"' in calls[0]
