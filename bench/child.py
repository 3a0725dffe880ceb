"""What is measured in a process of its own tells what it found by one JSON object on its standard output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import orjson

from tests.harness.installation import Installation


def told(module: str, *arguments: object, made: Installation | None = None) -> dict[str, float]:
    """Run `python -m module` and return what it tells; CalledProcessError if it fails.

    Args:
        made: The installation whose settings it runs with.
    """
    environment = {**os.environ, **(made.fleet.environment if made is not None else {})}
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    found: dict[str, float] = orjson.loads(done.stdout)
    return found


def tell(found: Mapping[str, Any]) -> None:
    """Tell the process that started this one."""
    sys.stdout.write(orjson.dumps(found).decode())
