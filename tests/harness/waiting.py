"""How tests wait for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

LOOK_EVERY_S: Final = 0.05


def until(found: Callable[[], T | None], within_s: float = 20.0, what: str = "it did not come to that") -> T:
    """Return what is found once it is something; AssertionError if that takes longer."""
    deadline = time.monotonic() + within_s
    while not (result := found()):
        assert time.monotonic() < deadline, f"{what} within {within_s:.0f} s"
        time.sleep(LOOK_EVERY_S)
    return result
