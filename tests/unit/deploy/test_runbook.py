"""Every alert says what it means and what to do, in words that hold: its dashboards and commands exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[3]
ALERTS: Final = ROOT / "deploy" / "alerts"
DASHBOARDS: Final = ROOT / "deploy" / "dashboards"
RUNBOOK: Final = ROOT / "docs" / "runbook.md"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ALERTS / "tocsin.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_says_how_bad_it_is_what_is_wrong_and_where_to_read_on() -> None:
    for rule in rules():
        assert rule["labels"].keys() == {"severity"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_every_alert_has_its_entry_in_the_runbook_and_no_entry_is_left_over() -> None:
    entries = re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sorted(entries) == sorted(rule["alert"] for rule in rules())


def test_every_entry_says_what_it_means_where_to_look_what_to_do_and_when_it_is_over() -> None:
    entries = re.split(r"^### ", RUNBOOK.read_text(), flags=re.MULTILINE)[1:]
    for entry in entries:
        said = re.findall(r"^- \*\*(.+?)\*\*", entry, re.MULTILINE)
        assert said == ["Means.", "Look.", "Do.", "Over."], entry.split()[0]


def test_every_dashboard_that_the_runbook_names_exists() -> None:
    titles = {json.loads(file.read_text())["title"] for file in DASHBOARDS.glob("*.json")}
    named = set(re.findall(r"“(Tocsin: [^”]+)”", RUNBOOK.read_text()))
    assert named == titles


def test_every_alert_is_tried_when_it_fires_and_when_it_is_quiet() -> None:
    tries = [
        (each["alertname"], "exp_alerts" in each)
        for group in yaml.safe_load((ALERTS / "tocsin_test.yml").read_text())["tests"]
        for each in group["alert_rule_test"]
    ]
    names = {rule["alert"] for rule in rules()}
    assert set(tries) == {(name, fires) for name in names for fires in (True, False)}
