"""`python -m control`: the control API."""

from __future__ import annotations

import logging
import sys
import time
from typing import cast

from control import settings as settings_module
from control.app import create_app
from control.auth import Gate
from control.directory import Directory
from control.outbox import Outbox
from control.overtaken import Overtaken
from control.rate import Limiter
from control.server import listen, serve
from control.services import Services
from control.store import Store
from tocsin import keys, lifecycle, secrets, subscriptions
from tocsin.destinations import policy_of
from tocsin.kafka import pipeline
from tocsin.kafka.codec import Headers
from tocsin.kafka.registry import Registry
from tocsin.kafka.tables import Table
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.keys import ApiKey
from tocsin.lifecycle import Stop
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

_log = logging.getLogger("tocsin.control")


def main(settings: Settings, stop: Stop) -> None:
    """Put the program together and serve until it is asked to stop."""
    own = settings_module.load()
    keyring = secrets.load_keyring(settings)
    policy = policy_of(settings)
    sock = listen(own.host, own.port)
    systems, topics, registry = load_systems(), Topics(settings.topic_prefix), Registry(settings.registry)
    directory, overtaken = Directory(), Overtaken(time.monotonic)
    key_table = _key_table(settings, topics, registry)
    table = _table(settings, topics, registry, directory, overtaken)
    key_table.start()
    table.start()
    keyring.require(table.rows())
    _say_what_matters(settings, len(key_table))
    writer = Writer(settings)
    encode = pipeline.encoder(registry, topics, "subscription")
    store = Store(writer, encode, table, overtaken, _clock_ms)

    def age_s() -> float:
        return max(key_table.age_s(), table.age_s())

    def check() -> None:
        writer.check()
        age_s()
        store.mend()

    services = Services(
        gate=Gate(key_table.get, key_table.age_s, systems, _clock_ms),
        limiter=Limiter(own.rate_per_minute, lambda: time.monotonic_ns() // 1_000_000),
        directory=directory,
        store=store,
        outbox=Outbox(writer, pipeline.encoder(registry, topics, "delivery"), topics.deliveries),
        systems=systems,
        policy=policy,
        keyring=keyring,
        topic=topics.subscriptions,
        age_s=age_s,
        clock_ms=_clock_ms,
    )
    try:
        serve(create_app(services), sock, stop, settings.stop_deadline_s, check)
    finally:
        writer.close()
        key_table.stop()
        table.stop()


def _key_table(settings: Settings, topics: Topics, registry: Registry) -> Table[ApiKey]:
    decode = pipeline.decoder(registry, "api_key")
    return Table(
        settings,
        topics.keys,
        lambda message: keys.from_record(decode(message.value(), cast(Headers, message.headers())).record),
    )


def _table(
    settings: Settings, topics: Topics, registry: Registry, directory: Directory, overtaken: Overtaken
) -> Table[Subscription]:
    decode = pipeline.decoder(registry, "subscription")

    def changed(key: str, subscription: Subscription | None) -> None:
        directory.update(key, subscription)
        overtaken.settle(key)

    return Table(
        settings,
        topics.subscriptions,
        lambda message: subscriptions.from_record(
            decode(message.value(), cast(Headers, message.headers())).record, message.offset() or 0
        ),
        on_change=changed,
        supersedes=subscriptions.supersedes,
        on_overtaken=overtaken.note,
    )


def _say_what_matters(settings: Settings, key_count: int) -> None:
    if settings.allow_cidrs:
        _log.warning("ATTENTION: webhooks may go to %s", ", ".join(settings.allow_cidrs))
    if not key_count:
        _log.error(
            "there is no API key, so every request is answered with 401; `tocsin keys create` makes one"
        )


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(lifecycle.run("control", main))
