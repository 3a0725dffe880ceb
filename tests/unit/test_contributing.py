"""What a developer is told to do can be done: verbs and files exist, and hooks and CI run what `make` runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

from control.settings import ControlSettings
from producers.gateway.settings import GatewaySettings
from tocsin.access import Access
from tocsin.settings import Settings

ROOT: Final = Path(__file__).parents[2]
MAKEFILE: Final = (ROOT / "Makefile").read_text()
GUIDE: Final = (ROOT / "CONTRIBUTING.md").read_text()
WORKFLOW: Final[dict[str, Any]] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


def verbs() -> set[str]:
    """Return what `make` lists."""
    return set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))


def recipe(verb: str) -> list[str]:
    """Return the commands of a verb as they are typed in the checkout."""
    lines = MAKEFILE.partition(f"\n{verb}: ")[2].partition("\n\n")[0].splitlines()[1:]
    return [line.removeprefix("\t@").replace("$(BIN)", ".venv/bin") for line in lines]


def code(text: str) -> list[str]:
    """Return the lines of a page's blocks of code, and what is marked as code within its lines."""
    blocks = "".join(re.findall(r"```\n(.*?)```", text, re.DOTALL))
    return [*blocks.splitlines(), *re.findall(r"`([^`\n]+)`", text.replace("```", ""))]


def test_every_verb_that_the_guide_names_is_one_of_makes() -> None:
    said = [re.match(r"make ((?:[a-z-]+ ?)+)", each) for each in code(GUIDE)]
    named = {verb for each in said if each for verb in each[1].split()}
    assert {"install", "check", "test", "lock", "chart", "dist"} <= named
    assert named - verbs() == set()


def test_every_file_that_the_guide_names_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)", GUIDE)
    files = [
        part for each in code(GUIDE) for part in re.findall(r"[\w./-]*/[\w./-]+", each.partition("<")[0])
    ]
    assert len(files) > 20
    ours = [each for each in (*links, *files) if not each.startswith(".venv/")]
    assert [each for each in ours if not (ROOT / each).exists()] == []


def test_every_setting_is_explained() -> None:
    """By the README; how Kafka and the registry are reached, by the page that lists the ends of these names."""
    readme = (ROOT / "README.md").read_text()
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    missing = [
        name
        for kind in (Settings, ControlSettings, GatewaySettings)
        for field in kind.model_fields
        if f"`{(name := kind.model_config['env_prefix'] + field.upper())}`" not in readme
        and not (field in Access.model_fields and f"`_{field.partition('_')[2].upper()}`" in page)
    ]
    assert missing == []


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
