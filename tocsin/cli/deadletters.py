"""`tocsin dlq`: what could not be delivered, and why."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli import choosing, output, purge, times
from tocsin.cli.failure import Failure, usage

if TYPE_CHECKING:
    from rich.console import Console

    from tocsin.cli.cluster import Cluster
    from tocsin.deadletters import DeadLetter
    from tocsin.deliveries import Delivery
    from tocsin.selection import Selection

app = typer.Typer(no_args_is_help=True)

_ID_MIN_CHARS: Final = 6


@app.callback()
def dlq() -> None:
    """Dead letters: what could not be delivered, and why."""


purge.install(app)


@app.command("list", epilog="Example: tocsin dlq list --reason exhausted --since 1d")
def list_(
    subscription: choosing.Subscription = None,
    reason: choosing.Reason = None,
    since: choosing.SinceTime = None,
    until: choosing.UntilTime = None,
    system: choosing.System = None,
    organization: choosing.Organization = None,
    event_type: choosing.EventType = None,
    fault: choosing.Fault = None,
    status: choosing.Status = None,
    error: choosing.ErrorText = None,
    delivery: choosing.DeliveryId = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many, the newest.")] = 50,
    as_json: output.AsJson = False,
) -> None:
    """List dead letters, newest first.

    A dead letter stays listed for 90 days, also after it was replayed: `tocsin dlq show` tells what became of it.
    """
    from tocsin.cli.cluster import Cluster

    selection = choosing.selection(
        subscription_id=subscription,
        reason=reason,
        since=since,
        until=until,
        system=system,
        organization=organization,
        event_type=event_type,
        fault=fault,
        http_status=status,
        error_text=error,
        delivery_id=delivery,
    )

    count = 0
    newest: list[tuple[int, int, int, DeadLetter]] = []
    for letter in matching(Cluster(), selection):
        count += 1
        place = (letter.timestamp_ms, letter.partition, letter.offset, letter)
        (heapq.heappush if len(newest) < limit else heapq.heappushpop)(newest, place)
    letters = [place[-1] for place in sorted(newest, reverse=True)]
    if as_json:
        output.json_document([document(letter) for letter in letters])
        return
    table(letters, round(time.time() * 1000))
    if count > len(letters):
        output.notice(f"the newest {len(letters)} of {count}; --limit shows more")


@app.command(epilog="Example: tocsin dlq show 3f2a91c0")
def show(
    delivery_id: Annotated[str, typer.Argument(metavar="DELIVERY_ID", help="The start of it is enough.")],
    as_json: output.AsJson = False,
) -> None:
    """Show one dead letter: the request that was to be sent, and every attempt there was.

    The body is what each attempt sent, byte for byte; JSON is indented to be read.
    """
    if len(delivery_id) < _ID_MIN_CHARS:
        raise usage(f"give at least {_ID_MIN_CHARS} characters of the delivery id")
    from tocsin.cli.cluster import Cluster
    from tocsin.deliveries import from_record
    from tocsin.kafka import pipeline

    cluster = Cluster()
    letter = _find(cluster, delivery_id.lower())
    delivery = from_record(
        pipeline.decoder(cluster.registry, "delivery")(letter.value, letter.headers).record
    )
    attempts = list(_attempts(cluster, letter, delivery))
    if as_json:
        output.json_document(document(letter) | {"delivery": _request(delivery), "attempts": attempts})
    else:
        _tell(output.console(), letter, delivery, attempts)


def matching(cluster: Cluster, selection: Selection) -> Iterator[DeadLetter]:
    """Yield the dead letters that a selection means and no purge has struck off, as they stand at this moment.

    Raises:
        Failure: There is no dead-letter topic.
    """
    from tocsin import purges, tally
    from tocsin.cli import jobs

    cluster.partitions(cluster.topics.dlq)
    return tally.meant(cluster.settings, selection, purges.done(jobs.read(cluster).values()))


def table(letters: list[DeadLetter], now_ms: int) -> None:
    """Print dead letters, a line each."""
    output.table(
        ("time", "delivery", "type", "subscription", "reason", "fault", "http", "tries", "error"),
        [
            (
                output.styled(times.clock(letter.timestamp_ms, now_ms), "dim"),
                letter.delivery_id[:8],
                output.styled(letter.event_type, "bold"),
                output.styled(letter.subscription_id, "cyan"),
                output.styled(letter.reason, "red"),
                letter.fault or "-",
                str(letter.status or "-"),
                str(letter.attempts),
                (letter.error or "")[:80],
            )
            for letter in letters
        ],
        empty="no dead letters match",
        cut_last=True,
    )


def document(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter for machines, without its body."""
    return {
        "time": times.rfc3339(letter.timestamp_ms),
        "delivery_id": letter.delivery_id,
        "subscription_id": letter.subscription_id,
        "system": letter.system or None,
        "organization": letter.organization,
        "event_type": letter.event_type,
        "event_id": letter.event_id,
        "reason": letter.reason,
        "fault": letter.fault,
        "status": letter.status,
        "error": letter.error,
        "run": letter.progress.run,
        "attempts": letter.attempts,
        "source": letter.source,
        "partition": letter.partition,
        "offset": letter.offset,
    }


def _find(cluster: Cluster, start: str) -> DeadLetter:
    from tocsin.selection import Selection

    found: dict[str, DeadLetter] = {}
    for letter in matching(cluster, Selection()):
        if letter.delivery_id.startswith(start):
            found[letter.delivery_id] = letter
    if not found:
        raise Failure(f"no dead letter's delivery id begins with {start}; `tocsin dlq list` shows them")
    if len(found) > 1:
        raise usage(
            f"{len(found)} delivery ids begin with {start}: {', '.join(sorted(found)[:4])} …; give more of it"
        )
    return found.popitem()[1]


def _attempts(cluster: Cluster, letter: DeadLetter, delivery: Delivery) -> Iterator[dict[str, Any]]:
    """Yield a delivery's attempts, from wherever its subscription's records lie: it may have more than one home."""
    from tocsin.cli import deliveries, feed
    from tocsin.deliveries import first_value
    from tocsin.kafka import partitioner, pipeline
    from tocsin.kafka.reader import headers_of
    from tocsin.missed import SKEW_MS

    topic, earlier = cluster.topics.attempts, cluster.settings.partitions_earlier
    homes = partitioner.homes(letter.subscription_id.encode(), len(cluster.partitions(topic)), earlier)
    # A publisher's clock may be wrong: an event "after" its own dead letter says nothing about where to begin.
    began_ms = delivery.event_time - SKEW_MS if delivery.event_time <= letter.timestamp_ms else 0
    decode = pipeline.decoder(cluster.registry, "attempt")
    start = feed.Since(max(began_ms, 0))
    for batch in feed.read(cluster, topic, start, follow=False, partitions=homes):
        for message in batch:
            if (first_value(headers_of(message), "tocsin_identity") or "").startswith(letter.delivery_id):
                yield deliveries.document(feed.record(decode, message))


def _request(delivery: Delivery) -> dict[str, Any]:
    return {
        "system": delivery.system,
        "format": delivery.format,
        "event_source": delivery.event_source,
        "event_time": times.rfc3339(delivery.event_time),
        "content_type": delivery.content_type,
        "headers": dict(delivery.headers),
        "body": output.text_or_base64(delivery.body),
    }


def _tell(out: Console, letter: DeadLetter, delivery: Delivery, attempts: list[dict[str, Any]]) -> None:
    from tocsin.cli import deliveries
    from tocsin.deliveries import REASONS

    now_ms = round(time.time() * 1000)
    output.fields(
        [
            ("delivery", letter.delivery_id),
            ("subscription", letter.subscription_id),
            ("organization", letter.organization),
            ("event", f"{delivery.event_type}  {delivery.event_id}  from {delivery.event_source}"),
            ("format", delivery.format or delivery.system),
            ("dead since", times.clock(letter.timestamp_ms, now_ms)),
            ("reason", output.styled(f"{letter.reason}: {REASONS.get(letter.reason, '')}", "red")),
            ("last error", letter.error or "-"),
            ("lies at", f"partition {letter.partition}, offset {letter.offset}"),
        ]
    )
    _section(out, "Headers")
    output.fields([("Content-Type", delivery.content_type), *delivery.headers])
    _section(out, f"Body ({len(delivery.body)} bytes)")
    for text in output.pretty_body(delivery.body).splitlines():
        out.print(output.styled(text))
    _section(out, f"Attempts ({len(attempts)})")
    for attempt in attempts:
        out.print(deliveries.line(attempt, now_ms))


def _section(out: Console, title: str) -> None:
    out.print()
    out.print(output.styled(title, "bold"))
