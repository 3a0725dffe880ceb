"""The receiver of a benchmark: a small Go program, so that the receiver is not what is measured."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from deploy.local import settings as local_settings

SOURCE: Final = Path(__file__).with_name("receiver")


class NoReceiver(Exception):
    """The receiver cannot be built here."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the receiver saw of one kind of endpoint.

    Attributes:
        handed: Requests whose event was handed to Kafka in the window that was asked about.
        received: Requests that were received in it.
        open: Requests open now.
        peak_open: Most that were open at once to one endpoint.
        first_ms, last_ms: First and last receipt of those handed over in the window, milliseconds since the epoch.
        earliest_ms, p50_ms, p90_ms, p99_ms, max_ms: From handing over to receipt.
    """

    handed: int
    received: int
    paths: int
    open: int
    peak_open: int
    first_ms: float
    last_ms: float
    earliest_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Target:
    """A running receiver."""

    url: str
    pid: int

    def summary(self, prefix: str, from_ms: float = 0.0, to_ms: float = 1e18) -> Summary:
        """Return what was seen of endpoints whose path begins with `prefix`, handed over within [from, to)."""
        asked = {"prefix": prefix, "from": f"{from_ms:.3f}", "to": f"{to_ms:.3f}"}
        answer = httpx.get(f"{self.url}/-/summary", params=asked, timeout=30.0, trust_env=False)
        return Summary(**answer.raise_for_status().json())

    def reset(self) -> None:
        """Forget all requests so far."""
        httpx.post(f"{self.url}/-/reset", timeout=30.0, trust_env=False).raise_for_status()


@contextmanager
def target() -> Iterator[Target]:
    """Build the receiver if it changed, and run it.

    Raises:
        NoReceiver: There is no Go, or it does not build.
    """
    process = subprocess.Popen([str(built(SOURCE))], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield Target(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def built(source: Path) -> Path:
    """Build a Go program if it changed, and return where it is; raises as `target`."""
    go = shutil.which("go")
    if go is None:
        raise NoReceiver("the benchmarks need Go for their receiver, and there is none on PATH")
    binary = local_settings.load().home / "bench" / source.name
    built = subprocess.run(
        [go, "build", "-o", str(binary), "."], cwd=source, capture_output=True, text=True, check=False
    )
    if built.returncode != 0:
        raise NoReceiver(f"the {source.name} does not build: {built.stderr.strip()}")
    return binary
