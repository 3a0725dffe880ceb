"""What runs found: least, median and most of each figure, kept in one file, `bench/results.json`, one line of JSON.

A benchmark's newest runs replace its older ones; the others stay.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from bench.goal import Figure, Goal

FILE: Final = Path(__file__).with_name("results.json")
SHARED: Final = "sender, broker, programs and receiver share one machine"

Runs = Sequence[Mapping[str, float]]
Section = Mapping[str, Any]
"""One benchmark's results: `at`, `runs`, and `figures` with title, unit, goal, aim, min, median, max, verdict each."""


def spread(runs: Runs) -> dict[str, dict[str, float]]:
    """Return least, median and most of every figure over the runs."""
    return {
        name: {
            "min": min(run[name] for run in runs),
            "median": statistics.median(run[name] for run in runs),
            "max": max(run[name] for run in runs),
        }
        for name in runs[0]
    }


def section(title: str, figures: Sequence[Figure], runs: Runs, at: datetime) -> Section:
    """Return what runs found; a goal is met if the median meets it."""
    found = spread(runs)
    known = {figure.name: figure for figure in figures if figure.name in found}
    return {
        "title": title,
        "at": at.isoformat(timespec="minutes"),
        "runs": len(runs),
        "figures": {
            name: _judged(figure, {key: round(value, 3) for key, value in found[name].items()})
            for name, figure in known.items()
        },
    }


def _judged(figure: Figure, values: Mapping[str, float]) -> dict[str, Any]:
    judged: dict[str, Any] = {"title": figure.title, "unit": figure.unit, **values}
    for name, text in (("goal", figure.goal), ("aim", figure.aim)):
        if text:
            goal = Goal.of(text)
            judged[name] = goal.text
            judged[f"{name}_is"] = goal.verdict(values["median"])
    return judged


def load() -> dict[str, Any]:
    """Return what is kept."""
    if not FILE.exists():
        return {"machine": SHARED, "benchmarks": {}}
    kept: dict[str, Any] = orjson.loads(FILE.read_bytes())
    return kept


def merge(sections: Mapping[str, Section]) -> bytes:
    """Put sections in the place of their older ones, write the file, and return its line."""
    kept = load()
    kept["benchmarks"] |= sections
    line = orjson.dumps(kept)
    FILE.write_bytes(line + b"\n")
    return line
