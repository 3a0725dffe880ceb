"""A program of a version to come: this one's, with one more delay tier.

Run as `python -m tests.harness.newer`; `TESTS_NEWER` names the module.
"""

from __future__ import annotations

import os
import runpy
from typing import Final

from tocsin import tiers

VARIABLE: Final = "TESTS_NEWER"
TIER: Final = "1s"

if __name__ == "__main__":
    tiers.TIERS = {TIER: 1, **tiers.TIERS}
    runpy.run_module(os.environ[VARIABLE], run_name="__main__", alter_sys=True)
