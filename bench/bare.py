"""The limit: how many POSTs the transport alone makes, without Kafka: python -m bench.bare URL COUNT AT_ONCE

Prints one JSON object: posts a second and CPU microseconds for each.
"""

from __future__ import annotations

import asyncio
import sys
import time

import orjson
import uvloop

from bench import workload
from consumers.delivery.client import DeliveryClient
from consumers.delivery.outcome import Answered
from tocsin.destinations import Policy

_HEADERS = (
    ("content-type", "application/json"),
    ("User-Agent", "GovernLayer-Webhooks/1.0"),
    ("X-GovernLayer-Event", "drift.alert"),
    ("X-GovernLayer-Signature", "0" * 64),
)


async def _post(url: str, count: int, at_once: int) -> dict[str, float]:
    policy = Policy.of(allow_http=True, allow_cidrs=("127.0.0.0/8",))
    numbers = iter(range(count))
    async with DeliveryClient(policy) as client:

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
    sys.stdout.write(orjson.dumps(uvloop.run(_post(sys.argv[1], *map(int, sys.argv[2:])))).decode())
