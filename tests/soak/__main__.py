"""`python -m tests.soak`: real processes, killed again and again, and three ledgers compared afterwards.

The last line is always `soak: N events, M deliveries, K kills, 0 lost, 0 forked, R repeated (bound B)`, and the exit code
is 0 only if nothing was lost or forked and R is at most B. What is counted, and what B is, stands in `audit.py`.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import settings as local_settings
from deploy.local import stack as local_stack
from deploy.local.settings import LocalSettings
from deploy.local.stack import Stack
from tests.harness.crash import SESSION_S
from tests.harness.installation import free_port
from tests.soak import contracts, world
from tests.soak.world import Outcome, Plan
from tocsin.wire import contracts as wire_contracts

SHOWN_MOST = 10


def main(arguments: list[str]) -> int:
    """Run a soak and return the exit code."""
    options = _options(arguments)
    # While the broker is down, every client of this process says so several times a second.
    logging.getLogger("tocsin.kafka").setLevel(logging.CRITICAL)
    home = Path(tempfile.mkdtemp(prefix="tocsin-soak-"))
    plan = _plan(options)
    os.environ[wire_contracts.VARIABLE] = str(contracts.write(home / "contracts", plan.tiers))
    _say(f"seed {plan.seed}; logs are in {home}")
    with _stack(plan, home) as stack:
        outcome = world.soak(plan, stack, home / "programs", _say)
    _tell(outcome)
    if outcome.holds:
        shutil.rmtree(home, ignore_errors=True)
    _say(str(outcome))
    return 0 if outcome.holds else 1


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description="The fault matrix, with real processes."
    )
    parser.add_argument("--kills", type=int, default=50, help="processes to kill")
    parser.add_argument("--seconds", type=float, help="how long that takes at least (2.5 s a kill)")
    parser.add_argument("--seed", type=int, default=0, help="decides who dies when (a new one each time)")
    parser.add_argument("--rate", type=float, default=30.0, help="events a second")
    parser.add_argument("--broker-kills", type=int, help="kills of the broker among them (every 25th)")
    parser.add_argument(
        "--short", action="store_true", help="for the test suite: no broker kills, short delays"
    )
    return parser.parse_args(arguments)


def _plan(options: argparse.Namespace) -> Plan:
    short, kills = options.short, options.kills
    broker_kills = options.broker_kills if options.broker_kills is not None else kills // 25
    return Plan(
        kills=kills,
        seconds=options.seconds or 2.5 * kills,
        seed=options.seed or int.from_bytes(os.urandom(3), "big"),
        rate_per_s=options.rate,
        tiers=("5s", "5s") if short else ("5s", "5s", "25s"),
        broker_kills=0 if short else broker_kills,
        calm_kills=1 if short else max(1, kills // 50),
        frozen_most_s=12.0 if short else 60.0,
        partitions=6 if short else 12,
        session_s=float(SESSION_S) if short else 10.0,
    )


@contextmanager
def _stack(plan: Plan, home: Path) -> Iterator[Stack]:
    """Run the stack of this checkout, or one of the soak's own if its broker is to be killed."""
    usual = local_settings.load()
    settings = _own_settings(usual, home / "stack") if plan.broker_kills else usual
    was_running = all(status.answers for status in local_stack.status(settings))
    try:
        yield local_stack.up(settings)
    finally:
        if not was_running:
            local_stack.down(settings)


def _own_settings(usual: LocalSettings, home: Path) -> LocalSettings:
    home.mkdir(parents=True)
    usual.lib.mkdir(parents=True, exist_ok=True)
    (home / "lib").symlink_to(usual.lib)
    return LocalSettings(
        home=home,
        kafka_port=free_port(),
        kafka_controller_port=free_port(),
        registry_port=free_port(),
        registry_management_port=free_port(),
    )  # type: ignore[call-arg]


def _tell(outcome: Outcome) -> None:
    found = outcome.findings
    for title, items in (
        ("lost", found.lost),
        ("forked", found.forked),
        ("not verified", found.refused),
        ("repeated without a crash that explains it", found.unexplained),
        ("ended by itself", outcome.failures),
        ("did not come to rest", outcome.unsettled),
    ):
        for item in items[:SHOWN_MOST]:
            _say(f"{title}: {item}")
        if len(items) > SHOWN_MOST:
            _say(f"{title}: and {len(items) - SHOWN_MOST} more")
    if outcome.takeovers_ms:
        shown = ", ".join(f"{each / 1000:.1f}" for each in outcome.takeovers_ms)
        _say(f"takeover after a kill, until the last endpoint it held up was served again: {shown} s")
    _say(f"{found.interrupted} POSTs cut at a stop, decided as interrupted")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
