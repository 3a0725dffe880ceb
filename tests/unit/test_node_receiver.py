"""The receiver in Node, as it stands: it takes what is genuine and refuses everything else."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.harness.distribution import program
from tocsin.wire.signing import SignatureScheme, new_secret, sign
from tocsin.wire.systems import load_systems

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "node_receiver.mjs"
BODY = b'{"type":"it.happened","data":{"word":"\xc3\xbc"}}'
SYSTEMS = load_systems()
SCHEMES: Mapping[str, SignatureScheme] = {
    "governlayer": SYSTEMS["governlayer"].wire.signature,
    "standard-webhooks": SYSTEMS.formats["standard-webhooks"].signature,
}
TOLERANCE_S = 300


@dataclass(frozen=True, slots=True)
class NodeReceiver:
    """The example as a process, with two secrets: the current one and the one before."""

    process: subprocess.Popen[str]
    url: str
    scheme: SignatureScheme
    current: str
    former: str

    def headers(self, *secrets: str, age_s: int = 0, body: bytes = BODY) -> dict[str, str]:
        """Return the headers of a request that was signed so many seconds ago."""
        timestamp = int(time.time()) - age_s
        return dict(sign(self.scheme, secrets, message_id="m_1", timestamp=timestamp, body=body))

    def post(self, headers: Mapping[str, str], body: bytes = BODY) -> int:
        """Send a request and return the status of its answer."""
        return httpx.post(self.url, headers=headers, content=body, trust_env=False).status_code

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def started(**environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run the example with these variables and no others but PATH."""
    node = program("node", "nodejs", "Node, in which a receiver of the examples runs")
    with subprocess.Popen(
        [node, EXAMPLE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "PORT": "0", **environment},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module", params=sorted(SCHEMES))
def receiver(request: pytest.FixtureRequest) -> Iterator[NodeReceiver]:
    """The example, set up for one format."""
    scheme = SCHEMES[request.param]
    current, former = new_secret(scheme, os.urandom), new_secret(scheme, os.urandom)
    with started(WEBHOOK_FORMAT=request.param, WEBHOOK_SECRET=f"{current} {former}") as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("listening on http://127.0.0.1:"), said
        yield NodeReceiver(process, said.split()[-1], scheme, current, former)


def test_genuine_request_is_taken_with_either_secret_while_one_rotates(receiver: NodeReceiver) -> None:
    for secrets in ((receiver.current,), (receiver.former,), (receiver.current, receiver.former)):
        assert receiver.post(receiver.headers(*secrets)) == 204
        assert receiver.line() == "it.happened"


def test_request_that_was_changed_or_is_not_signed_is_refused(receiver: NodeReceiver) -> None:
    good = receiver.headers(receiver.current)
    header = (receiver.scheme.header or "").lower()
    stranger = new_secret(receiver.scheme, os.urandom)
    signature = good.pop(receiver.scheme.header or "")
    assert receiver.post({**good, header: signature}, BODY + b" ") == 401
    assert receiver.post({**good, header: signature}, b"") == 401
    for wrong in (
        "",
        "v1,",
        signature[:-1],
        signature + "0",
        signature.swapcase(),
        f"{signature},{signature}",
    ):
        assert receiver.post({**good, header: wrong}) == 401, wrong
    assert receiver.post(good) == 401
    assert receiver.post({}) == 401
    assert receiver.post(receiver.headers(stranger)) == 401
    assert receiver.post({**good, header: signature}) == 204, "it has survived all of that"
    assert receiver.line() == "it.happened", "and printed nothing of it"


@pytest.mark.parametrize("receiver", ["standard-webhooks"], indirect=True)
def test_one_of_several_signatures_is_enough_wherever_it_stands(receiver: NodeReceiver) -> None:
    stranger = new_secret(receiver.scheme, os.urandom)
    for secrets in ((stranger, receiver.former), (receiver.current, stranger)):
        assert receiver.post(receiver.headers(*secrets)) == 204
        assert receiver.line() == "it.happened"


@pytest.mark.parametrize("receiver", ["standard-webhooks"], indirect=True)
def test_time_and_id_are_those_that_were_signed_and_the_time_is_near(receiver: NodeReceiver) -> None:
    for age_s in (TOLERANCE_S - 30, 30 - TOLERANCE_S):
        assert receiver.post(receiver.headers(receiver.current, age_s=age_s)) == 204
        assert receiver.line() == "it.happened"
    for age_s in (TOLERANCE_S + 30, -TOLERANCE_S - 30):
        assert receiver.post(receiver.headers(receiver.current, age_s=age_s)) == 401
    good = receiver.headers(receiver.current)
    now = good["webhook-timestamp"]
    for name, value in (
        ("webhook-timestamp", str(int(now) + 1)),
        ("webhook-timestamp", now + ".0"),
        ("webhook-timestamp", ""),
        ("webhook-id", "m_2"),
        ("webhook-id", f"m_1.{now}"),
        ("webhook-id", ""),
    ):
        assert receiver.post({**good, name: value}) == 401, (name, value)


def test_what_is_no_webhook_is_answered_and_nothing_is_verified(receiver: NodeReceiver) -> None:
    good = receiver.headers(receiver.current)
    assert httpx.get(receiver.url, trust_env=False).status_code == 404
    assert httpx.post(f"{receiver.url}/other", headers=good, content=BODY, trust_env=False).status_code == 404
    large = b" " * 2_000_001
    assert receiver.post(receiver.headers(receiver.current, body=large), large) == 413
    at = httpx.URL(receiver.url)
    with socket.create_connection((at.host, at.port or 80), timeout=5.0) as broken:
        broken.sendall(b"POST /webhooks HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    assert receiver.post(good) == 204, "it goes on when a sender hangs up"
    assert receiver.line() == "it.happened"


@pytest.mark.parametrize(
    "environment",
    [{}, {"WEBHOOK_FORMAT": "governlayer"}, {"WEBHOOK_FORMAT": "nothing", "WEBHOOK_SECRET": "whsec_a"}],
)
def test_receiver_that_could_verify_nothing_does_not_start(environment: dict[str, str]) -> None:
    with started(**environment) as process:
        _, said = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "WEBHOOK_FORMAT" in said
