"""`python -m tests.soak`: real processes, killed again and again, and three ledgers compared afterwards.

The last line is always `soak: N events, M deliveries, K kills, 0 lost, 0 forked, R repeated (bound B)`, and the exit code
is 0 only if nothing was lost or forked and R is at most B. What is counted, and what B is, stands in `audit.py`.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.harness.crash import SESSION_S
from tests.soak import contracts, phases, world
from tests.soak.ground import ground
from tests.soak.world import Outcome, Plan
from tocsin.wire import contracts as wire_contracts

SHOWN_MOST: Final = 10
SHORT_PHASES: Final = "cut:8"
"""Longer than a session and a write's time."""
PHASES: Final = "cut:10,half-open:20,resets:10,slow:20,registry:20,endpoints:60,cut:60,brokers:15"
LONG_PHASES: Final = f"{PHASES},cut:360"
LONG_AT_KILLS: Final = 100


def main(arguments: list[str]) -> int:
    """Run a soak and return the exit code."""
    options = _options(arguments)
    # A soak that is asked to stop takes its processes along.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    # While the broker is down, every client of this process says so several times a second.
    logging.getLogger("tocsin.kafka").setLevel(logging.CRITICAL)
    home = Path(tempfile.mkdtemp(prefix="tocsin-soak-"))
    plan = _plan(options)
    os.environ[wire_contracts.VARIABLE] = str(contracts.write(home / "contracts", plan.tiers))
    _say(f"seed {plan.seed}; logs are in {home}")
    with ground(home / "ground", nodes=options.nodes, own_registry=not options.short) as made:
        outcome = world.soak(plan, made, home / "programs", _say)
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
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=1, help="brokers; three keep all thrice")
    parser.add_argument(
        "--phases",
        help=f"what happens to everybody, spread over the whole ({PHASES}, and 6 min with many kills)",
    )
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
        phases=phases.parse(options.phases if options.phases is not None else _usual_phases(options)),
        calm_kills=1 if short else max(1, kills // 50),
        frozen_most_s=12.0 if short else 60.0,
        partitions=6 if short or options.nodes > 1 else 12,
        session_s=float(SESSION_S) if short else 10.0,
    )


def _usual_phases(options: argparse.Namespace) -> str:
    if options.short:
        return SHORT_PHASES
    usual = LONG_PHASES if options.kills >= LONG_AT_KILLS else PHASES
    return f"{usual},nodes:10" if options.nodes > 1 else usual


def _tell(outcome: Outcome) -> None:
    found = outcome.findings
    for title, items in (
        ("lost", found.lost),
        ("forked", found.forked),
        ("not verified", found.refused),
        ("wronged", found.wronged),
        ("repeated without a crash that explains it", found.unexplained),
        ("ended by itself", outcome.failures),
        ("promised without Kafka", outcome.promised),
        ("did not come to rest", outcome.unsettled),
        ("otherwise in the delivery log", outcome.log),
    ):
        for item in items[:SHOWN_MOST]:
            _say(f"{title}: {item}")
        if len(items) > SHOWN_MOST:
            _say(f"{title}: and {len(items) - SHOWN_MOST} more")
    if outcome.takeovers_ms:
        shown = ", ".join(f"{each / 1000:.1f}" for each in outcome.takeovers_ms)
        _say(f"takeover after a kill, until the last endpoint it held up was served again: {shown} s")
    _say(f"{outcome.denied} times the API was asked while Kafka was away, and answered 503")
    peaks = ", ".join(f"{name} {mib:.0f}" for name, mib in sorted(outcome.peaks_mib.items()))
    _say(f"memory at most, MiB: {peaks}")
    _say(f"{found.interrupted} POSTs cut at a stop, decided as interrupted")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
