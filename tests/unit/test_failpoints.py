"""Failpoints: what arms them, when they fire, and that each has its place in the code."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin import failpoints
from tocsin.errors import ConfigurationError

CHECKOUT = Path(__file__).parents[2]
ALLOWED = {failpoints.PERMISSION: "1"}


def fired(text: str, hits: int, chance: float = 1.0) -> list[int]:
    """Return the hits, counted from 1, at which the only failpoint in `text` fires."""
    (point,) = failpoints.parse(text).values()
    return [number for number in range(1, hits + 1) if point.fires(lambda: chance)]


@pytest.mark.parametrize(
    ("text", "chance", "expected"),
    [
        ("delay.after_write:#1", 0.0, [1]),
        ("delay.after_write:#3", 0.0, [3]),
        ("delay.after_write:0.5", 0.49, [1, 2, 3, 4]),
        ("delay.after_write:0.5", 0.5, []),
        ("delay.after_write:1", 0.999, [1, 2, 3, 4]),
    ],
)
def test_failpoint_fires_at_its_hit_or_by_its_probability(
    text: str, chance: float, expected: list[int]
) -> None:
    assert fired(text, 4, chance) == expected


def test_several_failpoints_are_separated_by_commas() -> None:
    assert set(failpoints.parse("reader.in_commit:#2, delay.after_write:0.1,")) == {
        "reader.in_commit",
        "delay.after_write",
    }


@pytest.mark.parametrize(
    "text",
    [
        "nowhere:#1",
        "delay.after_write",
        "delay.after_write:",
        "delay.after_write:#0",
        "delay.after_write:#x",
        "delay.after_write:0",
        "delay.after_write:1.1",
        "delay.after_write:nan",
    ],
)
def test_failpoint_is_refused_if_unknown_or_malformed(text: str) -> None:
    with pytest.raises(ConfigurationError, match=failpoints.VARIABLE):
        failpoints.parse(text)


def test_failpoint_is_refused_outside_of_tests() -> None:
    with pytest.raises(ConfigurationError, match=failpoints.PERMISSION):
        failpoints.arm({failpoints.VARIABLE: "delay.after_write:#1"})


def test_nothing_is_armed_by_permission_alone() -> None:
    failpoints.arm(ALLOWED)
    for name in failpoints.POINTS:
        failpoints.hit(name)


def test_process_dies_by_sigkill_at_its_hit() -> None:
    program = (
        "import os; from tocsin import failpoints as f; f.arm(os.environ)\n"
        "for n in range(3): f.hit('delay.after_write'); print(n, flush=True)"
    )
    environment = {**os.environ, **ALLOWED, failpoints.VARIABLE: "delay.after_write:#2"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "0\n")


def test_every_failpoint_has_its_place_in_the_code() -> None:
    sources = [
        path.read_text()
        for folder in ("tocsin", "consumers", "control", "producers")
        for path in (CHECKOUT / folder).rglob("*.py")
    ]
    placed = {
        name for source in sources for name in re.findall(r"failpoints\.hit\(\"([a-z0-9._]+)\"\)", source)
    }
    assert placed == set(failpoints.POINTS)
