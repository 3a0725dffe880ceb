"""How many events a second are taken: by the library in one process, and by one gateway process.

The gateway: single events over 32 connections and batches of a thousand over four, beside the limit, a bare server of
the same kind that only reads the body (python -m bench.ingest --bare PORT). Every figure is of acknowledged events.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from bench import publishing, usage, workload
from bench.goal import Figure
from bench.target import built
from bench.world import Measure, World, pid_of
from tests.harness.installation import free_port
from tocsin.http import server as http_server
from tocsin.lifecycle import Stop

TITLE: Final = "Ingest: acknowledged events"
FIGURES: Final[Sequence[Figure]] = (
    Figure("publisher_per_second", "Publisher, one process", "/s", ">= 20,000", ">= 40,000"),
    Figure("publisher_cpu_us", "CPU an event", "µs"),
    *(
        figure
        for name, title, goal in (
            ("limit", "the gateway's limit: a bare server, single requests", ""),
            ("single", "gateway, single events", ">= 2,000"),
            ("batch", "gateway, batches of 1,000", ">= 10,000"),
        )
        for figure in (
            Figure(f"{name}_events_per_second", title, "/s", goal),
            Figure(f"{name}_cpu_us", "CPU an event", "µs"),
            Figure(f"{name}_p50_ms", "answer, p50", "ms"),
            Figure(f"{name}_p99_ms", "answer, p99", "ms"),
        )
    ),
    Figure("single_ratio_to_limit", "single events, ratio to the limit"),
)
PUBLISHED: Final = 150_000
SOURCE: Final = Path(__file__).with_name("sender")
SECONDS: Final = 5.0
BATCH: Final = 1_000
SINGLE_CONNECTIONS: Final = 32
BATCH_CONNECTIONS: Final = 4
PLENTY: Final = "1000000000"
EVENT: Final[Mapping[str, Any]] = {
    "type": "drift.alert",
    "data": {
        "system_name": "customer-support-agent",
        "drift_score": 0.87,
        "decision": "ESCALATE",
        "ledger_hash": "sha256:" + "a" * 300,
    },
}
"""About 450 bytes as JSON."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent, and how.

    Attributes:
        events: In each request.
    """

    name: str
    events: int
    connections: int

    @property
    def body(self) -> bytes:
        """Body of every request."""
        return json.dumps(EVENT if self.events == 1 else [dict(EVENT)] * self.events).encode()


LOADS: Final = (Load("single", 1, SINGLE_CONNECTIONS), Load("batch", BATCH, BATCH_CONNECTIONS))


@dataclass(frozen=True, slots=True)
class Server:
    """Who is sent to, with which key."""

    url: str
    pid: int
    key: str


def measured(load: Load, server: Server, folder: Path, seconds: float) -> dict[str, float]:
    """Put one load on a server, and return events a second, CPU for each, and how long a request took."""
    body = folder / f"{load.name}.json"
    body.write_bytes(load.body)
    before = usage.read(server.pid)
    arguments = [server.url, str(body), "application/json", str(load.connections), str(seconds)]
    sender = [str(built(SOURCE)), *arguments, f"X-API-Key: {server.key}"]
    sent = subprocess.run(sender, capture_output=True, text=True, check=True)
    cpu_s = usage.read(server.pid).cpu_s - before.cpu_s
    told = json.loads(sent.stdout)
    assert set(told["statuses"]) == {"202"}, told
    events = told["statuses"]["202"] * load.events
    return {
        f"{load.name}_events_per_second": told["per_second"] * load.events,
        f"{load.name}_cpu_us": 1e6 * cpu_s / events,
        f"{load.name}_p50_ms": told["p50_ms"],
        f"{load.name}_p99_ms": told["p99_ms"],
    }


@contextmanager
def prepared(world: World) -> Iterator[Measure]:
    """Start a gateway, and a bare server beside it."""
    with tempfile.TemporaryDirectory() as scratch, world.installed() as made, _bare_server() as bare:
        gateway = made.another("gateway", TOCSIN_GATEWAY_EVENTS_PER_MINUTE=PLENTY)
        key = made.api_key(workload.SYSTEM, workload.ORGANIZATION, ("publish",))
        limit = Server(bare.url, bare.pid, key)
        server = Server(f"{made.gateway_url}/v1/events", pid_of(gateway), key)
        for each in (limit, server):
            _await(each)

        def measure() -> dict[str, float]:
            published = publishing.publish(made, world.count(PUBLISHED))
            figures = {"publisher_per_second": published.per_second, "publisher_cpu_us": published.cpu_us}
            folder, seconds = Path(scratch), world.seconds(SECONDS)
            figures |= measured(Load("limit", 1, SINGLE_CONNECTIONS), limit, folder, seconds)
            for load in LOADS:
                figures |= measured(load, server, folder, seconds)
            ratio = figures["single_events_per_second"] / figures["limit_events_per_second"]
            return figures | {"single_ratio_to_limit": ratio}

        yield measure


@contextmanager
def _bare_server() -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.ingest", "--bare", str(port)])
    try:
        yield Server(f"http://127.0.0.1:{port}/v1/events", process.pid, "")
    finally:
        process.kill()
        process.wait()


async def _bare(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def _await(server: Server) -> None:
    until = time.monotonic() + 30.0
    while not _accepts(server):
        assert time.monotonic() < until, f"{server.url} accepts nothing after 30 s"
        time.sleep(0.1)


def _accepts(server: Server) -> bool:
    try:
        headers = {"X-API-Key": server.key}
        return httpx.post(server.url, json=EVENT, headers=headers, trust_env=False).status_code == 202
    except httpx.ConnectError:
        return False


if __name__ == "__main__":
    listening = http_server.listen("127.0.0.1", int(sys.argv[2]), "PORT")
    http_server.serve(_bare, listening, Stop(1.0), 1.0, lambda: None)
