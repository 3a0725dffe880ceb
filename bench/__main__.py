"""All figures in one run on the real stack: python -m bench [NAME…] [--runs N] [--quick]

Each is measured several times, and stands beside its limit from the same run. The results replace older ones of the
same benchmarks in `bench/results.json`. Needs Go for the receiver.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, cast

import orjson
from rich.console import Console
from rich.text import Text

from bench import (
    delay,
    end_to_end,
    https,
    ingest,
    isolation,
    latency,
    limit,
    memory,
    observing,
    replay,
    results,
    routing,
    scaling,
    tables,
    throughput,
)
from bench.target import NoReceiver, target
from bench.world import Benchmark, World
from deploy.local import settings as local_settings
from deploy.local import stack
from deploy.local.errors import StackError

BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    name: cast(Benchmark, module)
    for name, module in {
        "limit": limit,
        "throughput": throughput,
        "end_to_end": end_to_end,
        "latency": latency,
        "routing": routing,
        "scaling": scaling,
        "ingest": ingest,
        "memory": memory,
        "observing": observing,
        "https": https,
        "isolation": isolation,
        "replay": replay,
        "delay": delay,
    }.items()
}
USUAL: Final = [name for name in BENCHMARKS if name not in ("isolation", "replay", "delay")]
"""What is measured unless names are given; the others take as long again."""


def main(arguments: Sequence[str]) -> int:
    """Measure, show and keep; 0 if all could be measured, whatever was found."""
    asked, console = _asked(arguments), tables.console()
    try:
        with target() as collector:
            world = World(stack.up(local_settings.load()), collector, quick=asked.quick)
            sections = _all(asked.names or USUAL, world, asked.runs, console)
    except (NoReceiver, StackError) as missing:
        print(f"bench: {missing}", file=sys.stderr)
        return 1
    console.print(tables.shown(sections))
    if asked.quick:
        console.print(
            "\nFew records: this says that it works, and nothing else; it is not kept.\n", style="dim"
        )
        print(orjson.dumps(sections).decode())
    else:
        print(f"\n{results.merge(sections).decode()}")
    return 0 if len(sections) == len(asked.names or USUAL) else 1


def _all(names: Sequence[str], world: World, runs: int, console: Console) -> dict[str, results.Section]:
    sections = {}
    for name in names:
        try:
            sections[name] = measured(name, world, runs, console)
        except NoReceiver:
            raise
        except Exception:  # what the others find in twenty minutes is not to be lost
            console.print_exception(max_frames=3)
    return sections


def measured(name: str, world: World, runs: int, console: Console) -> results.Section:
    """Run one benchmark several times and return what it found."""
    benchmark, began_s = BENCHMARKS[name], time.monotonic()
    console.print(Text(benchmark.TITLE, style="bold"), Text(f"({name})", style="dim"))
    found: list[Mapping[str, float]] = []
    with benchmark.prepared(world) as measure:
        for number in range(runs):
            found.append(measure())
            console.print(f"  run {number + 1} of {runs}, {time.monotonic() - began_s:.0f} s", style="dim")
    world.found[name] = found
    return results.section(benchmark.TITLE, benchmark.FIGURES, found, datetime.now(UTC))


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description="Measure on the real stack.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}")
    parser.add_argument("--runs", type=int, default=3, help="how often each is measured (3)")
    parser.add_argument("--quick", action="store_true", help="few records, to see that it works")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
