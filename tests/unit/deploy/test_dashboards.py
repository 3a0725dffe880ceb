"""Dashboards and alerts ask for metrics that there are, by the labels that they have."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.harness.promql import Asked, asked, kept
from tocsin import tiers
from tocsin.telemetry.metrics import METRICS, PROGRAMS, Metric

ROOT: Final = Path(__file__).parents[3]
FILES: Final = sorted((ROOT / "deploy" / "dashboards").glob("*.json"))
ALERTS: Final = ROOT / "deploy" / "alerts" / "tocsin.yml"
SERIES: Final = {name: metric for metric in METRICS for name in metric.series}
GIVEN: Final = frozenset({"instance", "job"})
"""Labels that Prometheus adds to everything."""
FOREIGN: Final = {
    "up": frozenset[str](),
    "ALERTS": frozenset(
        {"alertname", "alertstate", "severity", "program", "system", "tier", "topic", "subscription"}
    ),
    "node_filesystem_avail_bytes": frozenset({"fstype"}),
    "node_filesystem_size_bytes": frozenset({"fstype"}),
    "kubelet_volume_stats_available_bytes": frozenset[str](),
    "kubelet_volume_stats_capacity_bytes": frozenset[str](),
}
"""What is not ours: Prometheus' own, and what tells of disks."""


def panels(file: Path) -> list[dict[str, Any]]:
    return [panel for panel in json.loads(file.read_text())["panels"] if panel["type"] != "row"]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[tuple[str, str]]:
    """Return who asks, and what."""
    found = [(rule["alert"], rule["expr"]) for rule in rules()]
    for file in FILES:
        board = json.loads(file.read_text())
        found += [
            (f"{file.stem}: {panel['title']}", target["expr"])
            for panel in panels(file)
            for target in panel["targets"]
        ]
        found += [(f"{file.stem}: annotations", each["expr"]) for each in board["annotations"]["list"]]
    return found


def labels_of(one: Asked) -> frozenset[str]:
    """Return the labels that a metric has in Prometheus."""
    if one.series in FOREIGN:
        return FOREIGN[one.series] | GIVEN
    bucket = {"le"} if one.series.endswith("_bucket") else set()
    return GIVEN | bucket | frozenset(SERIES[one.series].exposed_labels)


class TestQueries:
    def test_query_asks_for_metrics_that_there_are(self) -> None:
        assert [who for who, query in queries() if not asked(query)] == []
        known = SERIES.keys() | FOREIGN.keys()
        assert [
            (who, one.series) for who, query in queries() for one in asked(query) if one.series not in known
        ] == []

    def test_query_selects_and_groups_by_labels_that_its_metrics_have(self) -> None:
        for who, query in queries():
            found = asked(query)
            assert [one for one in found if not one.labels <= labels_of(one)] == [], who
            assert kept(query) <= frozenset().union(*(labels_of(one) for one in found)), who

    def test_counter_is_asked_for_by_its_rise_and_gauge_for_what_it_is(self) -> None:
        wrong = [
            (who, one.series)
            for who, query in queries()
            for one in asked(query)
            if one.series in SERIES
            and " unless " not in query
            and bool(re.search(rf"(?:rate|increase)\({one.series}\b", query))
            == (SERIES[one.series].kind == "gauge")
        ]
        assert wrong == []

    def test_variable_takes_its_values_from_a_label_that_there_is(self) -> None:
        for file in FILES:
            for variable in json.loads(file.read_text())["templating"]["list"]:
                if variable["type"] == "query":
                    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
                    assert found is not None
                    assert found[2] in SERIES[found[1]].exposed_labels

    def test_every_metric_is_looked_at_by_somebody(self) -> None:
        looked_at = {one.series for _, query in queries() for one in asked(query)}
        assert [metric.name for metric in METRICS if not looked_at & set(metric.series)] == []

    def test_what_every_copy_of_the_control_api_tells_is_never_added_up(self) -> None:
        whole = {
            metric.exposed for metric in METRICS if metric.name.startswith(("tocsin.lag", "tocsin.backlog"))
        }
        wrong = [
            (who, query)
            for who, query in queries()
            for name in whole
            if re.search(rf"sum(?: by \([^)]*\))? \({name}\b", query)
        ]
        assert whole
        assert wrong == []

    def test_metric_is_found_in_whatever_form_a_query_has(self) -> None:
        query = 'max by (a) (rate(x_total{b=~"y(z)", c!="}"}[5m]) offset 5m) / on (d) group_left (e) f or vector(0) > 1e3'
        assert asked(query) == [Asked("x_total", frozenset({"b", "c"})), Asked("f", frozenset())]
        assert kept(query) == {"a", "d", "e"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
class TestDashboards:
    def test_dashboard_is_known_by_its_file(self, file: Path) -> None:
        board = json.loads(file.read_text())
        assert board["uid"] == f"tocsin-{file.stem}"
        assert "tocsin" in board["tags"]

    def test_every_panel_says_what_it_shows_in_which_unit(self, file: Path) -> None:
        for panel in panels(file):
            assert panel["description"].endswith(".")
            assert panel["title"].endswith("?") or panel["type"] == "stat"
            assert panel["fieldConfig"]["defaults"]["unit"]

    def test_every_panel_asks_the_prometheus_that_is_chosen(self, file: Path) -> None:
        chosen = {"type": "prometheus", "uid": "${datasource}"}
        sources = [panel["datasource"] for panel in panels(file)]
        sources += [target["datasource"] for panel in panels(file) for target in panel["targets"]]
        assert [source for source in sources if source != chosen] == []

    def test_variables_that_are_used_exist(self, file: Path) -> None:
        text = file.read_text()
        variables = {variable["name"] for variable in json.loads(text)["templating"]["list"]}
        used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval", "__range", "__all"}
        assert used == variables

    def test_panels_neither_overlap_nor_share_an_id(self, file: Path) -> None:
        everything = json.loads(file.read_text())["panels"]
        assert max(Counter(panel["id"] for panel in everything).values()) == 1
        for one, other in combinations([panel["gridPos"] for panel in everything], 2):
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert beside or below


class TestAlerts:
    def test_every_tier_is_overdue_after_its_own_delay(self) -> None:
        expr = next(rule["expr"] for rule in rules() if rule["alert"] == "TocsinRetriesOverdue")
        assert {tier: int(delay) for tier, delay in re.findall(r'tier="(\w+)"} - (\d+)', expr)} == tiers.TIERS

    def test_every_program_that_an_installation_needs_is_missed(self) -> None:
        expr = next(rule["expr"] for rule in rules() if rule["alert"] == "TocsinProgramMissing")
        # Who publishes straight to Kafka has no gateway.
        assert set(re.findall(r'program="(\w+)"', expr)) == set(PROGRAMS) - {"gateway"}

    def test_value_that_a_query_selects_is_one_that_the_metric_says_it_has(self) -> None:
        wrong = []
        for who, query in queries():
            for series, label, value in re.findall(r'(\w+)\{[^}]*?\b(\w+)!?=~?"([^"$]+)"', query):
                metric = SERIES.get(series)
                if metric and label in {"verdict", "fault", "outcome", "attempt", "cause", "change"}:
                    wrong += [(who, each) for each in value.split("|") if not _told(metric, each)]
        assert wrong == []


def _told(metric: Metric, value: str) -> bool:
    return f"`{value}`" in metric.meaning
