"""The receiver of a benchmark: a small Go program, so that the receiver is not what is measured."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

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
        peak_open: Most that were open at once to one endpoint.
        first_ms, last_ms: First and last receipt of those handed over in the window, milliseconds since the epoch.
        p50_ms, p95_ms, p99_ms, max_ms: From handing over to receipt.
    """

    handed: int
    received: int
    peak_open: int
    first_ms: float
    last_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Count:
    """What the receiver saw of all endpoints together.

    Attributes:
        received: Requests since the last reset.
        open: Requests open now.
        peak_open: Most that were open at once.
    """

    received: int
    open: int
    peak_open: int


@dataclass(frozen=True, slots=True)
class Target:
    """A running receiver.

    Attributes:
        url: Where it listens.
        pid: Its process.
        secure_url: Where it speaks HTTPS, if it was given a certificate.
    """

    url: str
    pid: int
    secure_url: str = ""

    def summary(self, prefix: str, from_ms: float = 0.0, to_ms: float = 1e18) -> Summary:
        """Return what was seen of endpoints whose path begins with `prefix`, handed over within [from, to)."""
        asked = {"prefix": prefix, "from": f"{from_ms:.3f}", "to": f"{to_ms:.3f}"}
        return Summary(**self._ask("GET", f"/-/summary?{urlencode(asked)}"))

    def count(self) -> Count:
        """Return what was seen of all endpoints; unlike a summary it costs nothing to speak of."""
        return Count(**self._ask("GET", "/-/count"))

    def await_received(self, count: int, within_s: float) -> None:
        """Return once so many requests were received; AssertionError if that takes longer."""
        deadline_s = time.monotonic() + within_s
        while (received := self.count().received) < count:
            assert time.monotonic() < deadline_s, f"{received} of {count} received after {within_s:.0f} s"
            time.sleep(0.1)

    def reset(self) -> None:
        """Forget all requests so far."""
        self._ask("POST", "/-/reset")

    def _ask(self, method: str, path: str) -> Any:
        # A client of httpx reads the public authorities first, which would be seen in what is measured.
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30.0)) as connection:
            connection.request(method, path)
            answer = connection.getresponse()
            text = answer.read()
        assert answer.status == 200, f"the receiver answered {answer.status} to {path}"
        return json.loads(text) if text else None


@contextmanager
def target(*certificate: Path) -> Iterator[Target]:
    """Build the receiver if it changed, and run it.

    Args:
        certificate: PEM files of a certificate and its key, to speak HTTPS too.

    Raises:
        NoReceiver: There is no Go, or it does not build.
    """
    process = subprocess.Popen(
        [str(built(SOURCE)), *map(str, certificate)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ports = process.stdout.readline().split()
        secure_url = f"https://127.0.0.1:{ports[1]}" if certificate else ""
        yield Target(f"http://127.0.0.1:{ports[0]}", process.pid, secure_url)
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
