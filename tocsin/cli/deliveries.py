"""`tocsin deliveries`: every decision about every delivery, as it is made."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli import output, times
from tocsin.cli.failure import usage
from tocsin.errors import Undecodable

if TYPE_CHECKING:
    from confluent_kafka import Message
    from rich.text import Text

    from tocsin.cli.cluster import Cluster
    from tocsin.cli.feed import Newest, Since
    from tocsin.kafka.codec import Decoder

app = typer.Typer(no_args_is_help=True)

LOOKED_BACK: Final = 1_000
"""How many of each partition's newest records are asked for the last lines of `tail`."""

MARKS: Final = {
    "delivered": ("✓", "green"),
    "retry": ("↻", "yellow"),
    "parked": ("⏸", "yellow"),
    "interrupted": ("↻", "cyan"),
    "dead_letter": ("✗", "bold red"),
}
"""Sign and style of a verdict."""


@app.callback()
def deliveries() -> None:
    """Watch deliveries: each POST, each decision, as it happens."""


@app.command(epilog="Example: tocsin deliveries tail --since 10m --verdict retry --verdict dead_letter")
def tail(
    subscription: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only this subscription's; the start of its id is enough."),
    ] = None,
    verdict: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only these: delivered, retry, dead_letter, parked, interrupted. May be repeated.",
        ),
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest that is kept (30 days).")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Begin so long ago (10m, 2h, 3d), or at an RFC 3339 time."),
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=0, help="Else begin with so many of the newest.")
    ] = 10,
    follow: Annotated[bool, typer.Option(help="Go on with what comes, until Ctrl-C.")] = True,
    as_json: output.AsJson = False,
) -> None:
    """Show decisions about deliveries, a line each, in order of time.

    A line tells when, which delivery, event type, subscription, which attempt, the verdict, the answer's status,
    how long it took, and what follows: the delay until the next try, or why it is a dead letter.
    """
    start = _start(from_start, since)
    wanted = _verdicts(verdict)
    from tocsin.cli.cluster import Cluster

    chosen = _chosen(Cluster(), start, subscription or "", wanted, lines, follow)
    if as_json:
        for record in chosen:
            output.json_line(document(record))
        return
    out = output.console()
    if output.is_terminal():
        out.print(output.styled(HEADING, "dim"))
    for record in chosen:
        out.print(line(record, round(time.time() * 1000)))


def document(record: dict[str, Any]) -> dict[str, Any]:
    """Return an attempt for machines: its record, with the time as text."""
    return {"time": times.rfc3339(record["started_at"]), **record}


def line(record: dict[str, Any], now_ms: int) -> Text:
    """Return an attempt as one line."""
    from rich.text import Text

    mark, style = MARKS.get(record["verdict"], ("?", "magenta"))
    status = record["status"] if record["status"] is not None else "-" if record["posted"] else ""
    took = times.duration_text(record["duration_ms"]) if record["posted"] else ""
    shown = Text.assemble(
        (f"{times.clock(record['started_at'], now_ms):<8}  ", "dim"),
        f"{record['delivery_id'][:8]:<8}  ",
        (f"{output.printable(record['event_type']):<24}  ", "bold"),
        (f"{output.printable(record['subscription_id'])[:11]:<11}  ", "cyan"),
        f"{record['attempt']:>3}  ",
        (f"{mark} {record['verdict']:<11}  ", style),
        f"{status:>4}  {took:>8}  ",
        (consequence(record), "dim"),
    )
    shown.rstrip()
    return shown


def consequence(record: dict[str, Any]) -> str:
    """Return what follows an attempt, and why."""
    said = [f"→ {record['next_tier']}"] if record["next_tier"] else []
    if record["remaining_s"]:
        said.append(f"+ {times.span(record['remaining_s'])}")
    said += [output.printable(record[name])[:200] for name in ("reason", "error") if record[name]]
    return "  ".join(said)


HEADING: Final = (
    f"{'time':<8}  {'delivery':<8}  {'event type':<24}  {'subscription':<11} {'try':>3}  {'verdict':<13}  "
    f"{'http':>4}  {'took':>8}  next"
)


def _start(from_start: bool, since: str | None) -> Newest | Since:
    from tocsin.cli.feed import Newest, Since

    if from_start and since is not None:
        raise usage("--from-start and --since exclude each other")
    if since is not None:
        return Since(times.option_ms("--since", since, round(time.time() * 1000)))
    return Since(0) if from_start else Newest(LOOKED_BACK)


def _verdicts(named: list[str] | None) -> frozenset[str]:
    unknown = [name for name in named or () if name not in MARKS]
    if unknown:
        raise usage(f"--verdict: {unknown[0]!r} is none; there are {', '.join(MARKS)}")
    return frozenset(named or MARKS)


def _chosen(
    cluster: Cluster,
    start: Newest | Since,
    subscription: str,
    verdicts: frozenset[str],
    lines: int,
    follow: bool,
) -> Iterator[dict[str, Any]]:
    from tocsin.cli import feed
    from tocsin.kafka import pipeline

    decode = pipeline.decoder(cluster.registry, "attempt")
    batches = feed.read(cluster, cluster.topics.attempts, start, follow=follow)
    if isinstance(start, feed.Newest):
        newest = _matching(next(batches), decode, subscription, verdicts)
        yield from newest[max(len(newest) - lines, 0) :]
    for batch in batches:
        yield from _matching(batch, decode, subscription, verdicts)


def _matching(
    batch: Sequence[Message], decode: Decoder, subscription: str, verdicts: frozenset[str]
) -> list[dict[str, Any]]:
    wanted = (message for message in batch if (message.key() or b"").startswith(subscription.encode()))
    records = (record for record in map(partial(_decoded, decode), wanted) if record is not None)
    return sorted(
        (record for record in records if record["verdict"] in verdicts), key=itemgetter("started_at")
    )


def _decoded(decode: Decoder, message: Message) -> dict[str, Any] | None:
    from tocsin.cli import feed

    try:
        return feed.record(decode, message)
    except Undecodable as error:
        output.notice(f"{message.topic()}/{message.partition()}/{message.offset()} is no attempt: {error}")
        return None
