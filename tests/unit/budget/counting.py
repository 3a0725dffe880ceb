"""Work as it is counted: calls of Python functions, and bytes that are kept. Both repeat from run to run; seconds do not."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Final

OURS: Final = ("tocsin", "consumers", "producers")
BESIDE: Final = ("*/tests/*", "*/asyncio/*", "*/tracemalloc.py")
"""What a test keeps itself, its endpoint on another thread included."""
SHOWN: Final = 25


@dataclass(slots=True)
class Calls:
    """Calls of Python functions on one thread; a coroutine that goes on counts as a call."""

    _codes: Counter[CodeType] = field(default_factory=Counter)
    _modules: dict[CodeType, str] = field(default_factory=dict)

    def note(self, frame: FrameType, event: str, _: object) -> None:
        """Take what the interpreter tells of."""
        if event == "call":
            self._codes[frame.f_code] += 1
            if frame.f_code not in self._modules:
                self._modules[frame.f_code] = frame.f_globals.get("__name__", "?")

    def each(self, work: int, *packages: str) -> float:
        """Return calls for each piece of work, of functions of some packages or of all."""
        counted = (
            count for code, count in self._codes.items() if not packages or self._package(code) in packages
        )
        return sum(counted) / work

    def of(self, name: str) -> int:
        """Return the calls of a function of ours, by its name."""
        found = [
            count
            for code, count in self._codes.items()
            if code.co_name == name and self._package(code) in OURS
        ]
        assert found, f"nothing is called {name}"
        return sum(found)

    def told(self, work: int) -> str:
        """Return what was called most, for each piece of work: what a test shows when it fails."""
        lines = [
            f"{count / work:8.2f}  {self._modules[code]}.{code.co_qualname}"
            for code, count in self._codes.most_common(SHOWN)
        ]
        return "\n".join([f"{self.each(work):.1f} calls each; most of all:", *lines])

    def _package(self, code: CodeType) -> str:
        return self._modules[code].partition(".")[0]


@contextmanager
def counting() -> Iterator[Calls]:
    """Count the calls that this thread makes meanwhile."""
    calls, before = Calls(), sys.getprofile()
    sys.setprofile(calls.note)
    try:
        yield calls
    finally:
        sys.setprofile(before)


@dataclass(slots=True)
class Kept:
    """What was allocated in a while and is still there at its end."""

    size_bytes: int = 0
    cycles: int = 0
    most: str = ""


@contextmanager
def keeping() -> Iterator[Kept]:
    """Find out what is kept of what happens meanwhile, and how many objects only a collection would free."""
    kept, was_on = Kept(), gc.isenabled()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        yield kept
        kept.cycles = gc.collect()
        snapshot = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
        if was_on:
            gc.enable()
    found = snapshot.filter_traces([tracemalloc.Filter(False, place) for place in BESIDE]).statistics(
        "lineno"
    )
    kept.size_bytes = sum(each.size for each in found)
    kept.most = "\n".join(str(each) for each in found[:SHOWN])
