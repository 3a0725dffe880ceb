"""No connection to a refused address is ever opened: shown where every address there is would be connected."""

from __future__ import annotations

import json
import subprocess
import sys


def test_nothing_refused_is_ever_connected_to_where_every_address_answers() -> None:
    """By literal, by name, with mixed answers, past the check of the URL; public ones are, on the same ports."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.hostile.everywhere"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["passed"] == []
    assert told["delivered"]
    assert told["connected"] == told["expected"]
    assert told["tried"] > 1_000
