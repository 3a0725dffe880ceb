"""The image holds what programs need and nothing else, and runs as nobody; as far as that can be read."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import pytest

from deploy.local.programs import MODULES
from tocsin.cli import jobs

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / "deploy" / "image"
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())


class Step(NamedTuple):
    verb: str
    rest: str


def stages() -> list[list[Step]]:
    """Return the Dockerfile's instructions, by stage; those before the first are one of their own."""
    lines = [line for line in (FOLDER / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    found: list[list[Step]] = [[]]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            step = Step(*line.split(None, 1))
            if step.verb == "FROM":
                found.append([])
            found[-1].append(step)
    return found


def only(stage: list[Step], verb: str) -> list[str]:
    return [step.rest for step in stage if step.verb == verb]


def locked(file: Path) -> dict[str, str]:
    """Return the entries of a lock: name to version, markers and hashes."""
    entries = re.split(r"^(?=[A-Za-z0-9])", file.read_text(), flags=re.MULTILINE)
    return {entry.split("==")[0].lower(): entry for entry in entries if "==" in entry}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[><=!~; ]", text)[0].lower() for text in requirements}


class TestDockerfile:
    def test_base_is_pinned_and_of_the_python_that_is_tested(self) -> None:
        (argument,) = only(stages()[0], "ARG")
        assert re.fullmatch(r"PYTHON=python:3\.11\.\d+-slim-bookworm", argument)
        assert [only(stage, "FROM")[0].split()[0] for stage in stages()[1:]] == ["${PYTHON}", "${PYTHON}"]

    def test_everything_is_installed_by_hash_and_nothing_is_compiled(self) -> None:
        parts = " && ".join(only(stages()[1], "RUN")).split("&&")
        installs = [part for part in parts if re.search(r"\bpip (--python \S+ )?install", part)]
        by_hash = [part for part in installs if "--require-hashes --only-binary :all:" in part]
        assert len(by_hash) == 2
        assert [part.split()[-3:] for part in installs if part not in by_hash] == [
            ["--no-deps", "--no-index", "wheels/*.whl"]
        ]

    def test_last_stage_runs_nothing_and_copies_only_what_was_built(self) -> None:
        last = stages()[-1]
        assert only(last, "RUN") == []
        assert [rest.split()[0] for rest in only(last, "COPY")] == ["--from=build", "--from=build"]

    def test_it_runs_as_somebody_who_is_not_root_by_number(self) -> None:
        assert only(stages()[-1], "USER") == ["10001:10001"]

    def test_who_acts_there_has_a_number_for_a_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(uid: int) -> NoReturn:
            raise KeyError(uid)

        for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setattr("os.getuid", lambda: 10001)
        monkeypatch.setattr("pwd.getpwuid", unknown)
        assert jobs.actor() == "cli:10001"

    def test_all_that_is_copied_exists_and_reaches_the_builder(self) -> None:
        allowed = {
            line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
        }
        sources = [source for rest in only(stages()[1], "COPY") for source in rest.split()[:-1]]
        assert [source for source in sources if not (ROOT / source).exists()] == []
        assert [
            source for source in sources if not any(fnmatch(source, pattern) for pattern in allowed)
        ] == []
        # And nothing is sent that is not used.
        assert [
            pattern for pattern in allowed if not any(fnmatch(source, pattern) for source in sources)
        ] == []

    def test_every_program_is_in_it_where_it_is_started(self) -> None:
        targets = {rest.split()[-1] for rest in only(stages()[1], "COPY")}
        place = only(stages()[-1], "WORKDIR")[0]
        assert {f"{place}/{module.split('.')[0]}" for module in MODULES.values()} <= targets

    def test_label_tells_the_version_of_the_project(self) -> None:
        assert f"VERSION={PROJECT['project']['version']}" in only(stages()[-1], "ARG")


class TestLocks:
    def test_they_hold_what_requirements_lock_holds_to_the_hash(self) -> None:
        """`make lock` writes all three; this says when one is old."""
        whole = locked(ROOT / "requirements.lock")
        for file in ("programs.lock", "build.lock"):
            part = locked(FOLDER / file)
            assert {
                name: entry for name, entry in part.items() if _hashes(whole.get(name, "")) != _hashes(entry)
            } == {}

    def test_programs_have_what_they_need_and_no_tool(self) -> None:
        part = locked(FOLDER / "programs.lock").keys()
        extras = PROJECT["project"]["optional-dependencies"]
        needed = names(PROJECT["project"]["dependencies"] + extras["programs"])
        assert needed <= part
        assert part & (names(extras["dev"]) - needed) == set()

    def test_what_builds_is_there(self) -> None:
        assert names(PROJECT["build-system"]["requires"]) <= locked(FOLDER / "build.lock").keys()


def _hashes(entry: str) -> tuple[str, frozenset[str]]:
    version = re.search(r"==([^\s;\\]+)", entry)
    return version[1] if version else "", frozenset(re.findall(r"sha256:[0-9a-f]+", entry))
