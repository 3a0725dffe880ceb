"""How results are shown and kept: least, median and most of several runs, and one JSON line."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

FOLDER: Final = Path(__file__).with_name("results")
SHARED: Final = "sender, broker, programs and receiver share one machine"


def spread(runs: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return least, median and most of every figure over the runs."""
    return {
        name: {
            "min": min(run[name] for run in runs),
            "median": statistics.median(run[name] for run in runs),
            "max": max(run[name] for run in runs),
        }
        for name in runs[0]
    }


def keep(name: str, runs: Sequence[Mapping[str, float]], **besides: Any) -> None:
    """Print the figures, then the whole as one JSON line, and write that to `bench/results/<name>.json`."""
    figures = {
        figure: {key: round(value, 3) for key, value in values.items()}
        for figure, values in spread(runs).items()
    }
    for figure, values in figures.items():
        print(f"  {figure:34} {values['min']:>12,} {values['median']:>12,} {values['max']:>12,}")
    line = orjson.dumps(
        {"benchmark": name, "runs": len(runs), "machine": SHARED, "figures": figures, **besides}
    )
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_bytes(line + b"\n")
    print(line.decode())
