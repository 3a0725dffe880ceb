"""Alerts as Prometheus itself sees them, and the queries of the dashboards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from deploy.local.settings import CHECKOUT
from tests.harness.promtool import promtool

DEPLOY: Final = CHECKOUT / "deploy"
CHOSEN: Final = {"$__rate_interval": "5m", "$__range": "3h", "$system": ".*", "$program": ".*"}


def test_every_alert_fires_when_it_should_says_what_is_wrong_and_is_quiet_else() -> None:
    """The cases are in `tocsin_test.yml`; that there are two for each alert a unit test sees to."""
    promtool("check", "config", "--syntax-only", DEPLOY / "compose" / "prometheus.yml")
    promtool("test", "rules", DEPLOY / "alerts" / "tocsin_test.yml")


def test_every_query_of_the_dashboards_is_understood(tmp_path: Path) -> None:
    queries = [
        target["expr"]
        for file in (DEPLOY / "dashboards").glob("*.json")
        for panel in json.loads(file.read_text())["panels"]
        for target in panel.get("targets", ())
    ]
    for name, value in CHOSEN.items():
        queries = [query.replace(name, value) for query in queries]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    assert len(rules) > 50
    # JSON is YAML.
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", DEPLOY / "alerts" / "tocsin.yml", tmp_path / "panels.yml")
