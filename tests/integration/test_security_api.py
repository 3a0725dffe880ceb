"""The APIs as an attacker meets them: real processes, generated requests, connections that give nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from deploy.local.stack import Stack
from tests.harness.installation import Api, Installation, free_port, installation
from tocsin import keys

SLOW: Final = 100
ANSWERS_WITHIN_S: Final = 3.0


@pytest.fixture(scope="module")
def world(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with the two APIs and the log that they show, and no limit on how often they may be asked."""
    with installation(stack, tmp_path_factory.mktemp("api")) as made:
        unlimited = {"TOCSIN_CONTROL_RATE_PER_MINUTE": "1000000", "TOCSIN_GATEWAY_RATE_PER_MINUTE": "1000000"}
        made.fleet.environment = {**made.fleet.environment, **unlimited}
        made.start("control", "gateway", "ledger")
        yield made


def admitted(world: Installation, scopes: tuple[str, ...]) -> Api:
    """Make a key, and return once it counts."""
    api = Api(world.api_url, world.api_key("governlayer", f"org-{os.urandom(4).hex()}", scopes))
    until = time.monotonic() + 5.0
    while api.call("GET", "/v1/organization").status_code == 401:
        assert time.monotonic() < until, "the key does not count after 5 s"
    return api


def test_no_generated_request_is_answered_with_what_is_not_documented_while_slow_ones_hang(
    world: Installation, tmp_path: Path
) -> None:
    """On both APIs: no 5xx, no answer that the document does not know, through every check but one and every phase.

    The one is that what fits the schema is accepted: no schema says where a webhook may go, or what a cursor is. Keys
    are not revoked, because the run's own would be among them; paths that systems document are the same routes. Meanwhile hundreds of connections give nothing: heads
    that never end, bodies that never come.
    """
    api = admitted(world, keys.SCOPES)
    begun = [b"POST /v1/webhooks HTTP/1.1\r\nHost: a\r\n", _head(api.key, "/v1/webhooks"), b""]
    slow = [_connected(url, text) for url in (world.api_url, world.gateway_url) for text in begun * SLOW]
    try:
        started = time.monotonic()
        assert api.call("GET", "/v1/webhooks").status_code == 200
        assert httpx.get(f"{world.gateway_url}/readyz", trust_env=False).status_code == 200
        assert time.monotonic() - started < ANSWERS_WITHIN_S
        runs = [_generated(url, api.key, tmp_path) for url in (world.api_url, world.gateway_url)]
        for run in runs:
            said, complained = run.communicate(timeout=110)
            assert run.returncode == 0, said[-8_000:] + complained[-2_000:]
    finally:
        for connection in slow:
            connection.close()


def _generated(url: str, key: str, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            Path(sys.executable).with_name("schemathesis"),
            *(
                "run",
                f"{url}/openapi.json",
                "--checks",
                "all",
                "--exclude-checks",
                "positive_data_acceptance",
            ),
            *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "2"),
            *("--exclude-path-regex", "^/(v1/keys/|api/)", "--header", f"X-API-Key: {key}"),
            *("--generation-deterministic", "--no-color"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
    )


def _head(key: str, path: str) -> bytes:
    fields = f"Host: a\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n{{".encode()


def _connected(url: str, text: bytes) -> socket.socket:
    at = httpx.URL(url)
    connection = socket.create_connection((at.host, at.port or 80), timeout=5.0)
    connection.sendall(text)
    return connection


def test_key_revoked_at_one_process_is_refused_by_every_other_within_five_seconds(
    world: Installation,
) -> None:
    port = free_port()
    world.another("control", TOCSIN_CONTROL_PORT=str(port))
    owner = admitted(world, ("admin",))
    made = owner.call("POST", "/v1/keys", json={"scopes": ["read", "publish"]}).json()
    everywhere = [Api(url, made["key"]) for url in (world.api_url, f"http://127.0.0.1:{port}")]
    gateway = Api(world.gateway_url, made["key"])

    def admitted_by() -> list[str]:
        here = [api.url for api in everywhere if api.call("GET", "/v1/webhooks").status_code != 401]
        return here + [gateway.url] * (gateway.call("POST", "/v1/events", json={}).status_code != 401)

    _wait_until(lambda: len(admitted_by()) == 3)
    assert owner.call("DELETE", f"/v1/keys/{made['id']}").status_code == 204
    _wait_until(lambda: admitted_by() == [])


def _wait_until(holds: Callable[[], bool], timeout_s: float = 5.0) -> None:
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, f"not within {timeout_s:.0f} s"
        time.sleep(0.02)
