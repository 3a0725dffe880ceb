"""`python -m control`: the control API."""

from __future__ import annotations

import logging
import sys
import time

from control import pacing
from control import settings as settings_module
from control.app import create_app
from control.archive import Archive
from control.backlog import BacklogReader
from control.console.serving import PATH as CONSOLE
from control.directory import Directory
from control.installation import Gauges
from control.jobs import Jobs
from control.key_store import KeyStore
from control.log import Log
from control.outbox import Outbox
from control.overtaken import Overtaken
from control.reading import TopicReading
from control.services import Services
from control.store import Store
from control.trail import Trail
from tocsin import lifecycle, secrets
from tocsin.destinations import policy_of
from tocsin.http.admission import Gate, key_table, require_a_key
from tocsin.http.measuring import Measured
from tocsin.http.rate import Limiter
from tocsin.http.server import listen, serve
from tocsin.jobs import Row
from tocsin.kafka import jobrows, pipeline, trail
from tocsin.kafka.jobrows import JobRows
from tocsin.kafka.registry import Registry
from tocsin.kafka.standing import health_table, written_table
from tocsin.kafka.tables import Table
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.ledger import store as ledger_store
from tocsin.lifecycle import Stop
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription
from tocsin.telemetry import metrics
from tocsin.telemetry.program import Telemetry
from tocsin.wire.systems import load_systems

_log = logging.getLogger("tocsin.control")


def main(settings: Settings, stop: Stop, telemetry: Telemetry) -> None:
    """Put the program together and serve until it is asked to stop."""
    own = settings_module.load()
    keyring = secrets.load_keyring(settings)
    policy = policy_of(settings)
    sock = listen(own.host, own.port, "TOCSIN_CONTROL_PORT")
    systems, topics = load_systems(), Topics(settings.topic_prefix)
    registry = Registry(settings, patiently=stop.patiently)
    directory, overtaken = Directory(), Overtaken(time.monotonic)
    known_keys = key_table(settings, topics, registry)
    table = _table(settings, topics, registry, directory, overtaken)
    known_health = health_table(settings, topics, registry)
    known_jobs: Table[Row] = Table(settings, topics.jobs, jobrows.reader(registry))
    ledger = ledger_store.Store(settings.ledger)
    log, backlog = Log(ledger.reading), BacklogReader(settings, _clock_ms)
    for each in (known_keys, known_jobs, known_health, table):
        stop.patiently(each.start)
    keyring.require(table.rows())
    require_a_key(known_keys, topics.keys)
    _say_what_matters(settings)
    writer = Writer(settings)
    encode = pipeline.encoder(registry, topics, "subscription")
    store = Store(writer, encode, table, overtaken, _clock_ms)

    def age_s() -> float:
        return max(known_keys.age_s(), table.age_s(), known_health.age_s(), known_jobs.age_s())

    def check() -> None:
        writer.check()
        age_s()
        store.mend()
        telemetry.pulse.tick(time.monotonic())

    known = Jobs(known_jobs, writer, JobRows(registry, topics))
    reading = TopicReading()
    services = Services(
        gate=Gate(known_keys.get, known_keys.age_s, systems, _clock_ms),
        keys=KeyStore(known_keys, writer, pipeline.encoder(registry, topics, "api_key")),
        limiter=Limiter(own.rate_per_minute, _monotonic_ms),
        pacer=Limiter(pacing.PER_MINUTE, _monotonic_ms),
        directory=directory,
        store=store,
        outbox=Outbox(writer, pipeline.encoder(registry, topics, "delivery"), topics),
        log=log,
        archive=Archive(settings, registry, systems, known.all),
        reading=reading,
        jobs=known,
        trail=Trail(writer, trail.Trail(registry, topics)),
        backlog=backlog.read,
        systems=systems,
        policy=policy,
        keyring=keyring,
        health=known_health.get,
        topics=topics,
        age_s=age_s,
        clock_ms=_clock_ms,
    )
    telemetry.watch_writes(writer)
    telemetry.watch_tables(age_s)
    Gauges(backlog.read_all, time.monotonic).watch(telemetry.meter)
    app = Measured(create_app(services), telemetry.meter.histogram(metrics.REQUESTS), CONSOLE)
    telemetry.start()
    try:
        serve(app, sock, stop, settings.stop_deadline_s, check)
    finally:
        writer.close()
        log.close()
        reading.close()
        ledger.close()
        backlog.close()
        known_keys.stop()
        known_jobs.stop()
        known_health.stop()
        table.stop()


def _table(
    settings: Settings, topics: Topics, registry: Registry, directory: Directory, overtaken: Overtaken
) -> Table[Subscription]:
    def changed(key: str, subscription: Subscription | None) -> None:
        directory.update(key, subscription)
        overtaken.settle(key)

    return written_table(settings, topics, registry, changed, on_overtaken=overtaken.note)


def _say_what_matters(settings: Settings) -> None:
    if settings.allow_cidrs:
        _log.warning("ATTENTION: webhooks may go to %s", ", ".join(settings.allow_cidrs))


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(lifecycle.run("control", main))
