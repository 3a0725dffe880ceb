"""The short form of the soak: a storm of kills, Kafka cut off in it, and nothing lost or forked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(
    r"soak: (\d+) events, (\d+) deliveries, (\d+) kills, 0 lost, 0 forked, (\d+) repeated \(bound (\d+)\)"
)
KILLS = 10


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("stack")
def test_nothing_is_lost_or_forked_and_only_open_posts_are_repeated_in_a_storm_of_kills() -> None:
    """In a process of its own: its contracts have shorter delays, and contracts are read once."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--short", "--kills", str(KILLS), "--seconds", "8"],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = LINE.fullmatch(done.stdout.splitlines()[-1])
    assert found is not None, done.stdout
    events, deliveries, kills, repeated, bound = map(int, found.groups())
    assert deliveries > events > 0
    assert kills >= KILLS
    assert repeated <= bound
