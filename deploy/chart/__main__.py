"""The Helm chart's data and what it renders to: `python -m deploy.chart`.

A chart runs no Python, so what it shares with the programs is written into `tocsin/files/`: topics, permissions, the
address table; alerts and dashboards besides, since a chart reads no file outside of it. `rendered/` holds what Helm makes of `examples/`, so that it can be read, and checked without Helm; a hash of
everything that it was made from stands in its first line. `python -m deploy.chart` writes both anew, and needs Helm.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tocsin.destinations import address
from tocsin.kafka import permissions
from tocsin.kafka.topics import Topics
from tocsin.wire.systems import load_systems

HERE: Final = Path(__file__).parent
DEPLOY: Final = HERE.parent
CHART: Final = HERE / "tocsin"
EXAMPLES: Final = HERE / "examples"
RENDERED: Final = HERE / "rendered"

_RELEASE: Final = ("tocsin", "events")
"""Name and namespace that examples are rendered with."""
_KUBERNETES: Final = "1.34.0"


def main() -> None:
    """Write the chart's data, then what its examples render to."""
    for name, text in data().items():
        file = CHART / "files" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    helm = shutil.which("helm")
    if helm is None:
        sys.exit("Helm is missing: go install helm.sh/helm/v3/cmd/helm@v3.19.0")
    subprocess.run([helm, "lint", "--strict", str(CHART)], check=True)
    for example in examples():
        (RENDERED / example.name).write_text(f"# {fingerprint(example)}\n{_render(helm, example)}")


def examples() -> list[Path]:
    """Return the values that are rendered."""
    return sorted(EXAMPLES.glob("*.yaml"))


def data() -> dict[str, str]:
    """Return the files that the chart reads, by name; names of topics and groups without the prefix."""
    prefix = "-"
    topics = Topics(prefix)

    def bare(name: str) -> str:
        return name.removeprefix(f"{prefix}.")

    systems = load_systems()
    return {
        "topics.json": _json(
            {"name": bare(spec.name), "partitions": spec.partitions, "config": dict(spec.config)}
            for spec in topics.specs(systems)
        ),
        "permissions.json": _json(
            {
                "program": grant.program,
                "rules": [
                    {
                        "resource": rule.resource,
                        "name": bare(rule.name),
                        "pattern": rule.pattern,
                        "operations": list(rule.operations),
                    }
                    for rule in grant.rules
                ],
            }
            for grant in permissions.grants(topics, systems)
        ),
        "addresses.json": json.dumps(_addresses(), indent=1) + "\n",
        "alerts.yml": (DEPLOY / "alerts" / "tocsin.yml").read_text(),
        **{f"dashboards/{file.name}": file.read_text() for file in (DEPLOY / "dashboards").glob("*.json")},
    }


def fingerprint(example: Path) -> str:
    """Return the hash of all that an example's rendering is made from."""
    digest = hashlib.sha256()
    for file in (*sorted(path for path in CHART.rglob("*") if path.is_file()), example):
        digest.update(f"{file.relative_to(HERE)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _addresses() -> dict[str, Any]:
    return {
        "ipv4": {"accepted": "0.0.0.0/0", "refused": [str(network) for network, _ in address.IPV4_REFUSED]},
        "ipv6": {
            "accepted": str(address.IPV6_ACCEPTED),
            "refused": [str(network) for network, _ in address.IPV6_REFUSED],
        },
    }


def _json(rows: Iterable[dict[str, Any]]) -> str:
    return "[\n" + ",\n".join(f" {json.dumps(row)}" for row in rows) + "\n]\n"


def _render(helm: str, example: Path) -> str:
    name, namespace = _RELEASE
    command = [helm, "template", name, str(CHART), "--namespace", namespace, "--kube-version", _KUBERNETES]
    command += ["--values", str(example)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
