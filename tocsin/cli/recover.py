"""`tocsin recover` and `tocsin deliveries missing`: what an endpoint missed."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli import output, times
from tocsin.cli.failure import Failure, usage
from tocsin.cli.replay import NEEDS_WHY, DryRun, Rate, Wait, Why, Yes, agree

if TYPE_CHECKING:
    from tocsin.cli.cluster import Cluster
    from tocsin.missed import Looked

Webhook = Annotated[str, typer.Option("--webhook", metavar="ID", help="As `tocsin endpoints list` shows it.")]
Since = Annotated[
    str, typer.Option(metavar="TIME", help="From when on: 10m, 2h, 3d ago, or an RFC 3339 time.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Until when; else until now.")]

SAMPLES: Final = 10
_FATES: Final = {"never": "never sent", "dead": "dead letter", "waiting": "on its way"}
_STYLES: Final = {"never": "yellow", "dead": "red", "waiting": "cyan"}


def recover(
    webhook: Webhook,
    since: Since,
    until: Until = None,
    why: Why = "",
    rate: Rate = 100.0,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = True,
    as_json: output.AsJson = False,
) -> None:
    """Deliver what an endpoint missed since a time: while it failed, was disabled, or before it subscribed.

    Taken are the events that the endpoint wants today and that were never delivered to it; what is on its way already
    is left alone. Events are kept for 30 days. Ctrl-C leaves the job running: `tocsin replay status` shows it.
    """
    from tocsin.cli import jobs
    from tocsin.cli.cluster import Cluster
    from tocsin.missed import MISSED
    from tocsin.selection import Selection

    if not why and not dry_run:
        raise usage(NEEDS_WHY)
    period = _period(since, until)
    cluster = Cluster()
    missed = [looked for looked in _undelivered(cluster, webhook, *period) if looked.fate in MISSED]
    if dry_run:
        _show_count(missed, as_json)
        return
    if not missed:
        output.notice("nothing was missed: nothing to recover")
        return
    agree(len(missed), yes)
    organization = missed[0].arrived.event.organization if missed[0].arrived else None
    selection = Selection(
        subscription_id=webhook, organization=organization, since=period[0], until=period[1]
    )
    job = jobs.submit(cluster, selection, why, kind="recover", rate=rate)
    jobs.follow_or_say(cluster, job, len(missed), wait=wait, as_json=as_json)


def missing(webhook: Webhook, since: Since, until: Until = None, as_json: output.AsJson = False) -> None:
    """List the events of a period that an endpoint wants and that were not delivered to it, the oldest first."""
    from tocsin.cli.cluster import Cluster

    found = list(_undelivered(Cluster(), webhook, *_period(since, until)))
    _show(found, as_json)
    counts = Counter(_FATES[looked.fate] for looked in found)
    if not as_json and found:
        told = ", ".join(f"{count} {fate}" for fate, count in sorted(counts.items()))
        output.notice(f"{len(found)} not delivered: {told}")


def _show_count(missed: list[Looked], as_json: bool) -> None:
    if as_json:
        samples = [document(looked) for looked in missed[:SAMPLES]]
        output.json_document({"deliveries": len(missed), "samples": samples})
        return
    if missed:
        _show(missed[:SAMPLES], as_json=False)
    more = f" (the first {SAMPLES} above)" if len(missed) > SAMPLES else ""
    print(f"{output.deliveries(len(missed))} would be recovered{more}")


def _period(since: str, until: str | None) -> tuple[int, int | None]:
    now_ms = round(time.time() * 1000)
    ends = None if until is None else times.option_ms("--until", until, now_ms)
    return times.option_ms("--since", since, now_ms), ends


def _undelivered(cluster: Cluster, webhook: str, since_ms: int, until_ms: int | None) -> list[Looked]:
    from tocsin.kafka import subscribers
    from tocsin.missed import Search, undelivered
    from tocsin.wire.systems import load_systems

    cluster.partitions(cluster.topics.subscriptions)
    subscription = subscribers.find(cluster.settings, cluster.registry, webhook)
    if subscription is None:
        raise Failure(f"there is no endpoint {webhook}")
    search = Search(
        cluster.settings,
        cluster.registry,
        load_systems(),
        subscription,
        since_ms=since_ms,
        until_ms=until_ms,
    )
    return sorted(undelivered(search), key=lambda looked: looked.timestamp_ms)


def _show(found: list[Looked], as_json: bool) -> None:
    if as_json:
        output.json_document([document(looked) for looked in found])
        return
    now_ms = round(time.time() * 1000)
    output.table(
        ("time", "delivery", "type", "event", "state"),
        [
            (
                output.styled(times.clock(looked.timestamp_ms, now_ms), "dim"),
                looked.delivery_id[:8],
                output.styled(looked.arrived.event.type, "bold"),
                looked.arrived.event.id,
                output.styled(_FATES[looked.fate], _STYLES[looked.fate]),
            )
            for looked in found
            if looked.arrived is not None
        ],
        empty="all that was wanted in this period was delivered",
    )


def document(looked: Looked) -> dict[str, Any]:
    """Return an undelivered event for machines."""
    event = looked.arrived.event if looked.arrived is not None else None
    return {
        "time": times.rfc3339(looked.timestamp_ms),
        "delivery_id": looked.delivery_id,
        "event_type": event.type if event else None,
        "event_id": event.id if event else None,
        "event_source": event.source if event else None,
        "state": looked.fate,
    }
