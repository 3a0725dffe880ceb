"""How many events a second one gateway process takes: python -m bench.ingest [RUNS]

Single events over 32 connections and batches of a thousand over four, against the real stack, beside the limit: a bare
server of the same kind that only reads the body. Every figure is of answers with 202, which stand for acknowledgements.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from bench import results, usage
from bench.target import built
from deploy.local import settings as local_settings
from deploy.local import stack
from tests.harness.installation import Installation, free_port, installation
from tocsin.http import server
from tocsin.lifecycle import Stop

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


def measured(load: Load, url: str, pid: int, key: str, binary: Path, folder: Path) -> dict[str, float]:
    """Put one load on a server, and return events a second, CPU for each, and how long a request took."""
    body = folder / f"{load.name}.json"
    body.write_bytes(load.body)
    before = usage.read(pid)
    arguments = [url, str(body), "application/json", str(load.connections), str(SECONDS), f"X-API-Key: {key}"]
    sent = subprocess.run([str(binary), *arguments], capture_output=True, text=True, check=True)
    cpu_s = usage.read(pid).cpu_s - before.cpu_s
    told = json.loads(sent.stdout)
    assert set(told["statuses"]) == {"202"}, told
    events = told["statuses"]["202"] * load.events
    return {
        f"{load.name}_events_per_second": told["per_second"] * load.events,
        f"{load.name}_cpu_us": 1e6 * cpu_s / events,
        f"{load.name}_p50_ms": told["p50_ms"],
        f"{load.name}_p99_ms": told["p99_ms"],
    }


def run(
    made: Installation, key: str, bare: subprocess.Popen[bytes], bare_url: str, folder: Path
) -> dict[str, float]:
    """Measure the limit and both loads, one after the other."""
    binary = built(SOURCE)
    limit = measured(Load("limit", 1, SINGLE_CONNECTIONS), bare_url, bare.pid, key, binary, folder)
    pid = made.fleet.programs[0].process.pid()
    assert pid is not None
    url = f"{made.gateway_url}/v1/events"
    figures = dict(limit)
    for load in LOADS:
        figures |= measured(load, url, pid, key, binary, folder)
    figures["single_ratio_to_limit"] = (
        figures["single_events_per_second"] / figures["limit_events_per_second"]
    )
    return figures


async def _bare(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def main(runs: int) -> None:
    """Measure, print and keep."""
    port = free_port()
    bare_url = f"http://127.0.0.1:{port}/v1/events"
    with (
        tempfile.TemporaryDirectory() as scratch,
        installation(stack.up(local_settings.load()), Path(scratch), partitions=12) as made,
    ):
        made.another("gateway", TOCSIN_GATEWAY_EVENTS_PER_MINUTE=PLENTY)
        key = made.api_key("governlayer", "acme", ("publish",))
        bare = subprocess.Popen([sys.executable, "-m", "bench.ingest", "--bare", str(port)])
        try:
            for url in (bare_url, f"{made.gateway_url}/v1/events"):
                _await(url, key)
            results.keep("ingest", [run(made, key, bare, bare_url, Path(scratch)) for _ in range(runs)])
        finally:
            bare.kill()
            bare.wait()


def _await(url: str, key: str) -> None:
    until = time.monotonic() + 30.0
    while not _accepts(url, key):
        assert time.monotonic() < until, f"{url} accepts nothing after 30 s"
        time.sleep(0.1)


def _accepts(url: str, key: str) -> bool:
    try:
        return httpx.post(url, json=EVENT, headers={"X-API-Key": key}, trust_env=False).status_code == 202
    except httpx.ConnectError:
        return False


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        listening = server.listen("127.0.0.1", int(sys.argv[2]), "PORT")
        server.serve(_bare, listening, Stop(1.0), 1.0, lambda: None)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
