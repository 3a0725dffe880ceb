"""`python -m consumers.ledger [rebuild]`: keeps the delivery log, or makes it anew."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from consumers.ledger import health
from consumers.ledger.announcements import Announcements
from consumers.ledger.health import Change
from consumers.ledger.intake import Intake
from consumers.ledger.probing import Probing
from consumers.ledger.program import Ledgering
from consumers.ledger.projector import Projector
from consumers.ledger.reading import Reading
from consumers.ledger.retention import Retention
from consumers.ledger.sole import sole
from tocsin import lifecycle
from tocsin.kafka import pipeline
from tocsin.kafka.quarantine import Quarantine
from tocsin.kafka.registry import Registry
from tocsin.kafka.standing import StandingSubscriptions
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Writer
from tocsin.ledger import migrating
from tocsin.ledger.store import Store
from tocsin.lifecycle import Stop
from tocsin.settings import Settings
from tocsin.telemetry import metrics
from tocsin.telemetry.program import Telemetry
from tocsin.wire.systems import load_systems

ANNOUNCED_WITHIN_S = 5.0


def main(settings: Settings, stop: Stop, telemetry: Telemetry) -> None:
    """Put the program together and run it until it is asked to stop."""
    store = Store(settings.ledger, writing=True)
    with sole(store.file):
        stop.patiently(lambda: migrating.upgrade(store))
        _run(settings, store, stop, telemetry, lambda ledgering: ledgering.run())


def rebuild_main(settings: Settings, stop: Stop, telemetry: Telemetry) -> None:
    """Drop the log and project it again, up to where the topics end now."""
    from consumers.ledger import rebuild  # with a progress bar, which the ledger itself needs nothing of

    topics = Topics(settings.topic_prefix)
    rebuild.refuse_while_running(settings, topics.group("ledger"))
    store = Store(settings.ledger, writing=True)
    with sole(store.file), rebuild.Course(settings, _topics(topics)) as course:
        stop.patiently(lambda: migrating.make_anew(store))
        _run(
            settings.model_copy(update={"probe_every_s": 0.0}),
            store,
            stop,
            telemetry,
            lambda ledgering: ledgering.run(lambda: course.reached(ledgering.intake.positions)),
        )


def _run(
    settings: Settings,
    store: Store,
    stop: Stop,
    telemetry: Telemetry,
    run: Callable[[Ledgering], None],
) -> None:
    topics, systems = Topics(settings.topic_prefix), load_systems()
    registry = Registry(settings, patiently=stop.patiently)
    writer = Writer(settings)
    # It must not wait for the registry: it is called within a transaction.
    impatient = Registry(settings)
    announcements = stop.patiently(lambda: Announcements(writer, impatient, topics, systems))
    policy = health.policy_of(systems, settings.disable_after_failing_s)
    subscriptions = StandingSubscriptions(settings, topics, registry)
    delivery = pipeline.encoder(registry, topics, "delivery")
    probing = Probing(settings.probe_every_s, subscriptions, systems, writer, topics.deliveries, delivery)
    if settings.probe_every_s:
        stop.patiently(subscriptions.start)
        telemetry.watch_tables(subscriptions.age_s)
    quarantine = Quarantine(writer, registry, topics, "ledger")
    changed = telemetry.meter.counter(metrics.ENDPOINTS_CHANGED)

    def announce(changes: Sequence[Change]) -> bool:
        told = announcements.announce(changes, timeout_s=ANNOUNCED_WITHIN_S)
        for change in changes if told else ():
            changed.add("disabled" if change.health.disabled else "enabled")
        return told

    ledgering = Ledgering(
        reading=Reading(registry, topics),
        projector=Projector(store, policy, announce),
        retention=Retention(store, settings.ledger_retention_days),
        probe=probing.turn,
        quarantine=quarantine,
        writer=writer,
        stop=stop,
        telemetry=telemetry,
    )
    intake = Intake(
        settings, topics.group("ledger"), _topics(topics), ledgering.positions, ledgering.place, stop
    )
    telemetry.watch_writes(writer)
    telemetry.meter.observe(metrics.QUARANTINED, quarantine.taken.read)
    ledgering.watch(intake)
    lifecycle.ready()
    try:
        run(ledgering)
    finally:
        intake.close()
        subscriptions.stop()
        writer.close()
        store.close()


def _topics(topics: Topics) -> list[str]:
    return [topics.attempts, topics.deliveries, topics.redeliveries]


if __name__ == "__main__":
    wanted = {(): main, ("rebuild",): rebuild_main}.get(tuple(sys.argv[1:]))
    if wanted is None:
        sys.exit("usage: python -m consumers.ledger [rebuild]")
    sys.exit(lifecycle.run("ledger", wanted))
