"""Keeps the schemas of a release: `python -m tests.harness.release VERSION`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tocsin.kafka.pipeline import RECORDS, schema
from tocsin.wire.systems import load_systems

FOLDER = Path(__file__).parents[1] / "data" / "released"


def schemas() -> dict[str, dict[str, Any]]:
    """Return every schema as it stands now: `pipeline/<record>`, `notices/<name>` and `<system>/<event type>`."""
    events = {
        f"{system.name}/{known.name}": dict(known.schema)
        for system in load_systems().values()
        for known in system.event_types.values()
    }
    notices = {
        f"notices/{known.name}": dict(known.schema)
        for system in load_systems().values()
        for known in system.notices.values()
    }
    return events | notices | {f"pipeline/{name}": dict(schema(name)) for name in RECORDS}


def main(version: str) -> None:
    """Write the schemas of a release, once."""
    file = FOLDER / f"{version}.json"
    if file.exists():
        sys.exit(f"{version} is kept already; choose the next version (pyproject.toml)")
    file.write_text(json.dumps(dict(sorted(schemas().items())), indent=1, default=dict) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.harness.release VERSION")
    main(sys.argv[1])
