"""Turns for those who use one directory: who starts or stops a stack, and stacks that share their downloads."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.progress import Say, silent, step


@contextmanager
def alone(directory: Path, say: Say = silent) -> Iterator[None]:
    """Hold a directory's lock; whoever comes second says that it waits, and then finds what the first has done."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(say, f"somebody else is at work in {directory}: waiting"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
