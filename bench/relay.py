"""The limit of Kafka: what one process consumes and produces: python -m bench.relay SOURCE TARGET COUNT

Records go on as they are, with headers, and count once acknowledged. Prints one JSON object: records a second and CPU
microseconds for each.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Final

from confluent_kafka import TopicPartition

from bench import child
from tocsin import settings as settings_module
from tocsin.kafka import clients

LINGER_MS: Final = 5.0
"""As delivery's."""
AT_ONCE: Final = 500


def _relay(source: str, target: str, count: int) -> dict[str, float]:
    settings = settings_module.load()
    consumer = clients.plain_consumer(settings)
    producer = clients.producer(settings, linger_ms=LINGER_MS)
    partitions = consumer.list_topics(source, timeout=10.0).topics[source].partitions
    consumer.assign([TopicPartition(source, number, 0) for number in partitions])
    acknowledged = 0

    def report(error: Any, _: Any) -> None:
        nonlocal acknowledged
        assert error is None, error
        acknowledged += 1

    read, began_s, cpu_s = 0, 0.0, 0.0
    while acknowledged < count:
        first = consumer.poll(0.05) if read < count else None
        if first is not None:
            if not read:
                began_s, cpu_s = time.monotonic(), time.process_time()
            for message in [first, *consumer.consume(min(AT_ONCE, count - read - 1), 0)]:
                producer.produce(
                    target,
                    value=message.value(),
                    key=message.key(),
                    headers=message.headers(),
                    on_delivery=report,
                )
                read += 1
        producer.poll(0.0 if read < count else 0.01)
    took_s = time.monotonic() - began_s
    measured = {"per_second": count / took_s, "cpu_us": 1e6 * (time.process_time() - cpu_s) / count}
    consumer.close()
    return measured


if __name__ == "__main__":
    child.tell(_relay(sys.argv[1], sys.argv[2], int(sys.argv[3])))
