"""How the commands of the local stack end, and show what runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from deploy.local.stack import Status
from tocsin.errors import TocsinError


def ended(run: Callable[[], int]) -> int:
    """Run a command and return its exit code; what it cannot do is one line with the remedy, and exit code 1."""
    try:
        return run()
    except TocsinError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        remedy = "; make that possible, or set TOCSIN_HOME to another directory" if error.filename else ""
        print(f"error: {error}{remedy}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted; what runs, runs on: make down", file=sys.stderr)
    return 1


def show(services: Iterable[Status]) -> None:
    """Print how services are, one a line."""
    for status in services:
        print(f"{status.title:<16} {_state(status):<22} {status.address}")


def _state(status: Status) -> str:
    if status.pid is None:
        return "stopped"
    return f"running, pid {status.pid}" if status.answers else f"silent, pid {status.pid}"
