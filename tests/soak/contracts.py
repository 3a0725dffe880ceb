"""The contracts of a soak: the real ones, with delays that somebody can wait for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local.settings import CHECKOUT

SYSTEMS: Final = ("governlayer", "truthvouch")
"""Two whose requests carry the delivery's id, one in the body and one in a header."""


def write(root: Path, tiers: Sequence[str]) -> Path:
    """Write a folder of contracts in which every retry schedule is `tiers`, and return it."""
    for name in (*SYSTEMS, "formats", "notices", "pipeline"):
        shutil.copytree(CHECKOUT / "schemas" / name, root / name)
    for name in SYSTEMS:
        declaration = root / name / "system.toml"
        text, count = re.subn(
            r"^retries = .*$", _schedule(tiers), declaration.read_text(), flags=re.MULTILINE
        )
        assert count == 1, f"{declaration} has no retry schedule of its own"
        declaration.write_text(text)
    return root


def _schedule(tiers: Sequence[str]) -> str:
    return "retries = [" + ", ".join(f'"{tier}"' for tier in tiers) + "]"
