"""`python -m deploy.local up | down | status | reset`: a real Kafka and a real registry on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from deploy.local import programs, stack, terminal
from deploy.local.errors import StackError
from deploy.local.progress import aloud
from deploy.local.settings import LocalSettings, load


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        Exit code: 0 if it did what was asked (for `status`: if both services answer), else 1.
    """
    options = _parser().parse_args(arguments)
    return terminal.ended(lambda: _run(options.verb, load(), getattr(options, "json", False)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="up|down|status|reset")
    verbs.add_parser("up", help="start what does not run yet")
    verbs.add_parser("down", help="stop both services; data stays")
    verbs.add_parser(
        "reset", help="stop both services and delete their data, the first API key and the delivery log"
    )
    verbs.add_parser("status", help="show both services").add_argument("--json", action="store_true")
    return parser


def _run(verb: str, settings: LocalSettings, as_json: bool) -> int:
    if verb == "status":
        return _status(settings, as_json)
    if verb == "up":
        running = stack.up(settings, aloud)
        print(f"Kafka {running.kafka}, registry {running.registry}")
    elif verb == "down":
        stack.down(settings, aloud)
    else:
        _require_no_programs(settings)
        stack.reset(settings, aloud)
    return 0


def _require_no_programs(settings: LocalSettings) -> None:
    running = [program.name for program in programs.local_fleet(settings).programs if program.process.pid()]
    if running:
        raise StackError(
            f"{', '.join(running)} would go on with what is deleted; run `make down`, then this again"
        )


def _status(settings: LocalSettings, as_json: bool) -> int:
    found = stack.status(settings)
    if as_json:
        print(json.dumps([asdict(status) for status in found], indent=2))
    else:
        terminal.show(found)
    return 0 if all(status.answers for status in found) else 1


if __name__ == "__main__":
    sys.exit(main())
