"""The probe, run as an operator runs it: one process, cases on standard input, one line of answer for each."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from consumers.delivery.probe import FORMAT, signed_headers
from tests.hostile.certificates import authority
from tests.hostile.endpoint import answers, endpoint, hangs
from tocsin.wire.signing import new_secret
from tocsin.wire.systems import load_systems

_EMPTY = b"\r\nContent-Length: 0\r\n\r\n"


async def _probe(cases: Sequence[object], *options: str) -> tuple[int, list[dict[str, Any]]]:
    return await _fed(b"".join(json.dumps(case).encode() + b"\n" for case in cases), *options)


async def _fed(lines: bytes, *options: str) -> tuple[int, list[dict[str, Any]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "consumers.delivery.probe",
        *options,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate(lines)
    assert process.returncode is not None
    return process.returncode, [json.loads(line) for line in output.splitlines()]


def test_outcome_of_every_kind_is_told_in_one_run(tmp_path: Path) -> None:
    """Delivered, retry with and without a wish, disable and blocked, over one pool."""
    trusted = authority(tmp_path)

    async def run() -> None:
        async with AsyncExitStack() as stack:

            async def url(*packets: bytes, tls: bool = False) -> str:
                behave = answers(*packets) if packets else hangs()
                context = trusted.server("localhost") if tls else None
                there = await stack.enter_async_context(endpoint(behave, context))
                return there.url(host="localhost")

            ok = b"HTTP/1.1 200 OK" + _EMPTY
            expected = [
                (await url(ok), "delivered", None),
                (await url(ok, tls=True), "delivered", None),
                (await url(b"HTTP/1.1 500 No" + _EMPTY), "retry", None),
                (await url(b"HTTP/1.1 429 No\r\nRetry-After: 7" + _EMPTY), "retry", 7),
                (await url(b"HTTP/1.1 410 Gone" + _EMPTY), "disable", None),
                (await url(b"HTTP/1.1 302 Found\r\nLocation: /" + _EMPTY), "retry", None),
                (await url(), "retry", None),
                ("https://10.0.0.1/", "blocked", None),
                ("https://[::ffff:127.0.0.1]/", "blocked", None),
                ("https://user@example.com/", "blocked", None),
                ("https://\ud800/", "blocked", None),
                ("not a url", "blocked", None),
                (None, "permanent", None),
            ]
            cases = [
                {"id": number, "url": case[0], "config": {"allow_http": True}}
                for number, case in enumerate(expected)
            ]
            options = ("--allow-cidr", "127.0.0.0/8", "--timeout", "2", "--ca", str(trusted.pem))
            status, found = await _probe(cases, *options)
            assert status == 0
            assert [(answer["outcome"], answer["retry_after"]) for answer in found] == [
                (outcome, wait_s) for _, outcome, wait_s in expected
            ]
            assert [answer["id"] for answer in found] == list(range(len(expected)))
            assert all(set(answer) == {"id", "outcome", "retry_after", "error"} for answer in found)
            assert [answer["error"] is None for answer in found] == [
                outcome == "delivered" for _, outcome, _ in expected
            ]

    asyncio.run(run())


def test_http_is_decided_case_by_case() -> None:
    """The same URL, with and without the switch."""

    async def run() -> list[str]:
        async with endpoint(answers(b"HTTP/1.1 200 OK" + _EMPTY)) as there:
            cases = [
                {"id": 1, "url": there.url(), "config": {"allow_http": allow}} for allow in (True, False)
            ]
            _, found = await _probe([*cases, {"id": 3, "url": there.url()}], "--allow-cidr", "127.0.0.1/32")
            assert len(there.requests) == 1
            return [answer["outcome"] for answer in found]

    assert asyncio.run(run()) == ["delivered", "blocked", "blocked"]


def test_unverified_certificate_is_accepted_only_with_the_option(tmp_path: Path) -> None:
    """For hosts that test against throw-away certificates."""
    unknown = authority(tmp_path)

    async def run() -> list[str]:
        async with endpoint(answers(b"HTTP/1.1 200 OK" + _EMPTY), unknown.server("other.example")) as there:
            case = {"id": 1, "url": there.url()}
            _, strict = await _probe([case], "--allow-cidr", "127.0.0.1/32")
            _, loose = await _probe([case], "--allow-cidr", "127.0.0.1/32", "--insecure-tls")
            return [strict[0]["outcome"], loose[0]["outcome"]]

    assert asyncio.run(run()) == ["retry", "delivered"]


@pytest.mark.parametrize("options", [("--allow-cidr", "everything"), ("--ca", "/nowhere/ca.pem")])
def test_argument_that_cannot_be_used_ends_the_run(options: tuple[str, ...]) -> None:
    """Exit status 2, and no case is answered."""
    assert asyncio.run(_probe([{"id": 1, "url": "https://example.com/"}], *options)) == (2, [])


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b'["a"]', None),
        (b"null", None),
        (b"{", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
        (b'{"id": "a"}', "a"),
        (b'{"id": [1], "url": 7}', [1]),
        (b'{"id": 1, "url": "https://10.0.0.1/", "config": "x"}', 1),
    ],
)
def test_line_that_is_no_case_is_answered_and_the_next_one_is_tried(line: bytes, name: object) -> None:
    """One line of answer for each line that is not blank."""
    good = json.dumps(
        {"id": 2, "url": "https://10.0.0.1/", "config": {"allow_http": 1, "more": None}}
    ).encode()
    status, (first, second) = asyncio.run(_fed(line + b"\n\n" + good))
    assert (status, first["id"], first["outcome"]) == (0, name, "permanent")
    assert (second["id"], second["outcome"]) == (2, "blocked")


def test_request_is_signed_as_an_independent_library_verifies_it() -> None:
    """Over exactly the bytes, the id and the timestamp that are sent."""
    scheme = load_systems().formats[FORMAT].signature
    secret = new_secret(scheme, os.urandom)
    headers = signed_headers(scheme, secret, "msg_1", int(time.time()), b'{"a": 1}')
    assert Webhook(secret).verify('{"a": 1}', dict(headers)) == {"a": 1}
