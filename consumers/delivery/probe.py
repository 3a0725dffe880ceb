"""Try endpoints one by one: the check made when a subscription is written, then one signed POST.

    python -m consumers.delivery.probe [--ca FILE] [--timeout SECONDS] [--allow-cidr CIDR]... [--insecure-tls]

Standard input holds one case a line, `{"id": …, "url": "https://…", "config": {"allow_http": false}}`, and each is
answered by one line `{"id", "outcome", "retry_after", "error"}` before the next is read. The outcome is `delivered`,
`retry`, `disable` or `blocked`; `permanent` stands for a line that is no case, so that nothing can be sent. All cases
share one pool of connections, as deliveries do.

It is how an operator finds out what delivery would do with an endpoint, without a subscription or a broker.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import uvloop

from consumers.delivery.client import DeliveryClient
from consumers.delivery.transport import tls_context
from consumers.delivery.verdict import Action, judge
from tocsin.destinations import Policy, parse_url
from tocsin.errors import ConfigurationError, DestinationNotAllowed, UrlInvalid
from tocsin.wire.signing import SignatureScheme, new_secret, sign
from tocsin.wire.systems import load_systems

TIMEOUT_S: Final = 10.0
FORMAT: Final = "standard-webhooks"
"""What a probe is signed after, with a secret that nobody knows: an endpoint that verifies will refuse it."""

BODY: Final = b'{"type":"tocsin.probe","data":{}}'

_OUTCOMES: Final[Mapping[Action, str]] = {
    "delivered": "delivered",
    "retry": "retry",
    "gone": "disable",
    "blocked": "blocked",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """What all cases of a run share."""

    client: DeliveryClient
    policy: Policy
    timeout_s: float
    scheme: SignatureScheme
    secret: str

    async def run(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one case."""
        try:
            url, allow_http = _read(case)
        except ValueError as error:
            return _answer(case, "permanent", error=str(error))
        policy = replace(self.policy, allow_http=allow_http)
        try:
            destination = parse_url(url, policy)
        except UrlInvalid as error:
            return _answer(case, "blocked", error=f"url_invalid: {error}")
        except DestinationNotAllowed as error:
            return _answer(case, "blocked", error=f"destination_not_allowed: {error}")
        headers = signed_headers(self.scheme, self.secret, str(uuid.uuid4()), int(time.time()), BODY)
        outcome = await self.client.post(
            url=destination.url, headers=headers, body=BODY, timeout_s=self.timeout_s
        )
        verdict = judge(outcome, time.time())
        failure = None if verdict.action == "delivered" else verdict.reason
        return _answer(case, _OUTCOMES[verdict.action], verdict.retry_after_s, failure)


def _case(line: bytes) -> Mapping[str, Any]:
    """Return the case on a line; one that holds none is a case without a URL."""
    try:
        case = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return case if isinstance(case, dict) else {}


def _read(case: Mapping[str, Any]) -> tuple[str, bool]:
    """Return a case's URL, and whether it may be http."""
    url, config = case.get("url"), case.get("config") or {}
    if not isinstance(url, str):
        raise ValueError("the line is no JSON object with a string as url")
    if not isinstance(config, dict):
        raise ValueError("config is no object")
    return url, config.get("allow_http") is True


def _answer(
    case: Mapping[str, Any], outcome: str, retry_after: int | None = None, error: str | None = None
) -> dict[str, Any]:
    return {"id": case.get("id"), "outcome": outcome, "retry_after": retry_after, "error": error}


def signed_headers(
    scheme: SignatureScheme, secret: str, message_id: str, timestamp: int, body: bytes
) -> list[tuple[str, str]]:
    """Return the headers of a probe's POST."""
    signature = sign(scheme, [secret], message_id=message_id, timestamp=timestamp, body=body)
    return [("content-type", "application/json"), ("user-agent", "Tocsin-Probe"), *signature]


async def run(options: argparse.Namespace, policy: Policy) -> int:
    """Answer cases until standard input ends; return the exit status."""
    tls = tls_context(options.ca, verify=not options.insecure_tls)
    # Whether http is allowed is decided case by case, before the client sees the URL.
    async with DeliveryClient(replace(policy, allow_http=True), tls=tls) as client:
        scheme = load_systems().formats[FORMAT].signature
        probe = Probe(client, policy, options.timeout, scheme, new_secret(scheme, os.urandom))
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            if line.isspace():
                continue
            _print(await probe.run(_case(line)))
    return 0


def _print(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when every line was answered, 2 for arguments that can't be used."""
    parser = argparse.ArgumentParser(
        prog="python -m consumers.delivery.probe", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--ca", type=Path, help="PEM file with authorities trusted besides the public ones")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="seconds for one POST (default 10)")
    parser.add_argument("--allow-cidr", action="append", default=[], help="open a range; repeatable")
    parser.add_argument("--insecure-tls", action="store_true", help="do not verify certificates")
    options = parser.parse_args(arguments)
    try:
        return uvloop.run(run(options, Policy.of(allow_cidrs=options.allow_cidr)))
    except (ConfigurationError, ValueError, OSError) as error:
        sys.stderr.write(f"probe: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
