"""What is published: a wheel of the library alone, and an sdist that makes the same wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME: Final = f"tocsin-{PROJECT['version']}"

SERVERS_AND_STORES: Final = frozenset(
    {"aiohttp", "alembic", "fastapi", "flask", "sqlalchemy", "starlette", "uvicorn"}
)
"""Modules that programs alone need: nobody gets them who publishes, verifies or asks the API."""

PROBE: Final = """
import json, sys

class Absent:
    names = frozenset(json.loads(sys.argv[1]))

    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import tocsin.cli
from tocsin import Client, Publisher, verify
from tocsin.wire.systems import load_systems
print(json.dumps([tocsin.__file__, sorted(load_systems())]))
"""


@dataclass(frozen=True, slots=True)
class Built:
    """What was made of the checkout.

    Attributes:
        wheel: Made directly.
        wheel_of_sdist: Made of the sdist, as pip does it for whoever takes no wheels.
        installed: A folder into which the wheel alone was installed.
    """

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path
    installed: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    made, again, installed = (tmp_path_factory.mktemp(name) for name in ("made", "again", "installed"))
    python("-m", "hatchling", "build", "--target", "sdist", "--target", "wheel", "--directory", made)
    (wheel,), (sdist,) = made.glob("*.whl"), made.glob("*.tar.gz")
    pip("wheel", "--no-build-isolation", "--wheel-dir", again, sdist)
    pip("install", "--no-compile", "--target", installed, wheel)
    (wheel_of_sdist,) = again.glob("*.whl")
    return Built(wheel, sdist, wheel_of_sdist, installed)


def python(*arguments: str | Path, **environment: str) -> str:
    """Run Python in the checkout's root and return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pip(command: str, *arguments: str | Path) -> None:
    """Run pip with nothing but what is here: no index, no settings of somebody's, no dependencies."""
    python("-m", "pip", "--isolated", "--quiet", command, "--no-index", "--no-deps", *arguments)


def with_installed(built: Built, *arguments: str | Path) -> str:
    """Run Python with the installed wheel and all packages that are here, but not with the checkout."""
    # -S: no .pth file is read, and so not the one that names the checkout. -P: nor is its root looked at.
    path = os.pathsep.join(
        [str(built.installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    )
    return python("-S", "-P", *arguments, PYTHONPATH=path)


def files(folder: Path) -> set[str]:
    """Return the files below a folder, as they are named from its parent, without what Python compiled."""
    return {
        path.relative_to(folder.parent).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def needed(requirements: Iterable[str]) -> set[str]:
    """Return the packages that pip brings along for requirements: theirs too, but none that only an extra names."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            waiting += [Requirement(text) for text in metadata.requires(name) or ()]
    return found


def test_wheel_is_the_library_and_its_contracts_and_nothing_else(built: Built) -> None:
    about = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    with zipfile.ZipFile(built.wheel) as wheel:
        names = set(wheel.namelist())
    assert names == (
        files(ROOT / "tocsin")
        | {f"tocsin/{name}" for name in files(ROOT / "schemas")}
        | {f"{NAME}.dist-info/{name}" for name in about}
    )
    assert "tocsin/py.typed" in names


def test_sdist_is_what_the_wheel_is_made_of(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.removeprefix(f"{NAME}/") for name in sdist.getnames()}
    about = {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert names == files(ROOT / "tocsin") | files(ROOT / "schemas") | about


def test_wheel_of_the_sdist_is_the_same_to_the_byte(built: Built) -> None:
    assert built.wheel_of_sdist.name == built.wheel.name
    assert built.wheel_of_sdist.read_bytes() == built.wheel.read_bytes()


def test_wheel_tells_its_licence_its_readme_and_its_command(built: Built) -> None:
    (about,) = metadata.distributions(name="tocsin", path=[str(built.installed)])
    assert about.metadata["License-Expression"] == "Apache-2.0"
    assert about.metadata.get_all("License-File") == ["LICENSE"]
    assert about.metadata["Description-Content-Type"] == "text/markdown"
    assert about.metadata["Requires-Python"] == PROJECT["requires-python"]
    assert [(each.group, each.name, each.value) for each in about.entry_points] == [
        ("console_scripts", "tocsin", "tocsin.cli:main")
    ]


def test_installed_library_needs_no_package_but_those_that_it_brings_along(built: Built) -> None:
    """All others are as good as absent; so is the checkout, with its contracts."""
    (about,) = metadata.distributions(name="tocsin", path=[str(built.installed)])
    brought = needed(about.requires or ()) | {"tocsin"}
    absent = [
        module
        for module, packages in metadata.packages_distributions().items()
        if not brought & {canonicalize_name(package) for package in packages}
    ]
    assert set(absent) >= SERVERS_AND_STORES
    file, systems = json.loads(with_installed(built, "-c", PROBE, json.dumps(absent)))
    assert Path(file).is_relative_to(built.installed)
    assert systems == sorted(path.parent.name for path in (ROOT / "schemas").glob("*/system.toml"))


def test_installed_command_starts(built: Built) -> None:
    command = built.installed / "bin" / "tocsin"
    assert with_installed(built, command, "--version") == f"tocsin {PROJECT['version']}\n"


def test_chart_installs_the_projects_version() -> None:
    chart: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "chart" / "tocsin" / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == PROJECT["version"]
