"""Hooks and CI run what `make` runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
MAKEFILE: Final = (ROOT / "Makefile").read_text()
WORKFLOW: Final[dict[str, Any]] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


def recipe(verb: str) -> list[str]:
    """Return the commands of a verb as they are typed in the checkout."""
    lines = MAKEFILE.partition(f"\n{verb}: ")[2].partition("\n\n")[0].splitlines()[1:]
    return [line.removeprefix("\t@").replace("$(BIN)", ".venv/bin") for line in lines]


def test_hooks_run_what_make_check_runs() -> None:
    (own,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert own["repo"] == "local"
    # A hook names files where `make` says the whole folder.
    hooks = [hook["entry"].replace(" --force-exclude", " .") for hook in own["hooks"]]
    assert hooks == recipe("check")


def test_ci_runs_what_anybody_can_run_and_may_only_read() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    (job,) = WORKFLOW["jobs"].values()
    assert job["timeout-minutes"] <= 60
    assert [step["run"] for step in job["steps"] if "run" in step][1:] == ["make check", ".ci/run"]
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert [each for each in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", each)] == []


def test_ci_has_the_python_that_is_published_as_tested() -> None:
    (job,) = WORKFLOW["jobs"].values()
    (python,) = (step["with"]["python-version"] for step in job["steps"] if "setup-python" in str(step))
    assert f'"Programming Language :: Python :: {python}"' in (ROOT / "pyproject.toml").read_text()
