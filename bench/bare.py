"""The limit of HTTP: what the transport alone posts, without Kafka: python -m bench.bare URL COUNT AT_ONCE [CA]

Prints one JSON object: posts a second and CPU microseconds for each.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench import child, workload
from consumers.delivery.client import DeliveryClient
from consumers.delivery.outcome import Answered
from consumers.delivery.transport import tls_context
from tocsin.destinations import Policy

_HEADERS = (
    ("content-type", "application/json"),
    ("User-Agent", "GovernLayer-Webhooks/1.0"),
    ("X-GovernLayer-Event", "drift.alert"),
    ("X-GovernLayer-Signature", "0" * 64),
)


@dataclass(frozen=True, slots=True)
class Posted:
    """What one such process did."""

    per_second: float
    cpu_us: float


def post(url: str, count: int, at_once: int, ca: Path | None = None) -> Posted:
    """Post from another process."""
    return Posted(**child.told("bench.bare", url, count, at_once, *([ca] if ca else [])))


async def _post(url: str, count: int, at_once: int, ca: Path | None) -> dict[str, float]:
    policy = Policy.of(allow_http=True, allow_cidrs=("127.0.0.0/8",))
    numbers = iter(range(count))
    async with DeliveryClient(policy, tls=tls_context(ca)) as client:

        async def poster() -> None:
            for number in numbers:
                body = workload.body(str(number), 0.0)
                outcome = await client.post(url=url, headers=_HEADERS, body=body, timeout_s=10.0)
                assert isinstance(outcome, Answered), outcome

        started_s, cpu_s = time.monotonic(), time.process_time()
        await asyncio.gather(*(poster() for _ in range(at_once)))
        return {
            "per_second": count / (time.monotonic() - started_s),
            "cpu_us": 1e6 * (time.process_time() - cpu_s) / count,
        }


if __name__ == "__main__":
    asked_url, asked_count, asked_at_once, *authority = sys.argv[1:]
    trusted = Path(authority[0]) if authority else None
    child.tell(uvloop.run(_post(asked_url, int(asked_count), int(asked_at_once), trusted)))
