"""What processes use, read from /proc: CPU, memory, sockets."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
CPUS: Final = len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Usage:
    """One reading of one process. `cpu_s` counts from the process's start."""

    at_s: float
    cpu_s: float
    rss_mib: float
    sockets: int


def read(pid: int) -> Usage:
    """Read a process; FileNotFoundError if it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Usage(
        time.monotonic(),
        (int(fields[11]) + int(fields[12])) / _TICKS,
        resident * _PAGE_BYTES / 2**20,
        _sockets(pid),
    )


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds of some processes since they started, by name."""
    return {name: read(pid).cpu_s for name, pid in pids.items()}


def busy_s() -> float:
    """Return the CPU seconds of the whole machine since it started."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS


@dataclass(slots=True)
class Watch:
    """Readings of one process, one a second."""

    pid: int
    readings: list[Usage] = field(default_factory=list)

    def since(self, at_s: float) -> list[Usage]:
        """Return the readings made from `at_s` (monotonic) on."""
        return [reading for reading in self.readings if reading.at_s >= at_s]


@contextmanager
def watching(pid: int, every_s: float = 1.0) -> Iterator[Watch]:
    """Read a process until the block ends."""
    watch, over = Watch(pid, [read(pid)]), threading.Event()

    def run() -> None:
        while not over.wait(every_s):
            watch.readings.append(read(pid))

    thread = threading.Thread(target=run, name="watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()
        watch.readings.append(read(pid))


def _sockets(pid: int) -> int:
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += os.readlink(entry).startswith("socket:")
        except FileNotFoundError:
            continue
    return count
