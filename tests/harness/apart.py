"""A local stack of a test's own, beside the one that this machine may run already."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from deploy.local import settings as local_settings
from deploy.local.process import ChildProcess
from tests.harness.installation import free_port

_PORTS: Final = (
    "KAFKA_PORT",
    "KAFKA_CONTROLLER_PORT",
    "REGISTRY_PORT",
    "REGISTRY_MANAGEMENT_PORT",
    "CONTROL_PORT",
    "GATEWAY_PORT",
)


def environment(home: Path) -> dict[str, str]:
    """Return the variables with which everything runs in `home`, on free ports; what was downloaded is used again.

    Args:
        home: A folder that exists.
    """
    downloads = local_settings.load().lib
    downloads.mkdir(parents=True, exist_ok=True)
    (home / "lib").symlink_to(downloads)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")},
        **{f"TOCSIN_{name}": str(free_port()) for name in _PORTS},
        "TOCSIN_HOME": str(home),
    }


def running(home: Path) -> list[str]:
    """Return the names of the services and programs of a stack that run."""
    files = (home / "run").glob("*.pid")
    return [file.stem for file in files if ChildProcess(file, home / "log").pid() is not None]
