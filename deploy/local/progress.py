"""What the stack says while it works: one short line per step, with the seconds it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]
"""Receives pieces of text; a line ends where a piece ends with a newline."""


def silent(_: str) -> None:
    """Say nothing."""


def aloud(text: str) -> None:
    """Print at once."""
    print(text, end="", flush=True)


@contextmanager
def step(say: Say, text: str) -> Iterator[None]:
    """Say what begins, and when it has ended how long it took."""
    say(f"{text} … ")
    started = time.monotonic()
    try:
        yield
    except BaseException:
        say("failed\n")
        raise
    say(f"{time.monotonic() - started:.1f} s\n")
