"""`tocsin quarantine`: records that nobody could read, as they were found, and why; and their way back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli import output, times
from tocsin.cli.failure import Failure, usage

if TYPE_CHECKING:
    from rich.console import Console

    from tocsin.cli.cluster import Cluster
    from tocsin.quarantined import Quarantined

app = typer.Typer(no_args_is_help=True)

Topic = Annotated[
    str | None, typer.Option("--topic", metavar="NAME", help="Only those of this source topic.")
]
Text = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Only those with this text in the reason.")
]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only those since: 10m, 2h, 3d ago, or an RFC 3339 time.")
]

_ROW: Final = 16
_TOLD_TOGETHER: Final = 500


@app.callback()
def quarantine() -> None:
    """Records that could not be read or rendered, as they were found, and why."""


@app.command("list", epilog="Example: tocsin quarantine list --since 1d")
def list_(
    topic: Topic = None,
    reason: Text = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many, the newest.")] = 50,
    as_json: output.AsJson = False,
) -> None:
    """List quarantined records, newest first. `state` tells which were sent back."""
    from tocsin.cli.cluster import Cluster

    found = sorted(_chosen(Cluster(), topic, reason, since), key=lambda each: each.timestamp_ms, reverse=True)
    if as_json:
        output.json_document([document(each) for each in found[:limit]])
        return
    now_ms = round(time.time() * 1000)
    output.table(
        ("time", "id", "source", "by", "state", "reason"),
        [
            (
                output.styled(times.clock(each.timestamp_ms, now_ms), "dim"),
                output.styled(each.id, "cyan"),
                each.source,
                each.program,
                "sent back" if each.redriven else "",
                output.styled(each.reason, "red"),
            )
            for each in found[:limit]
        ],
        empty="nothing is quarantined",
        cut_last=True,
    )
    if len(found) > limit:
        output.notice(f"the newest {limit} of {len(found)}; --limit shows more")


@app.command(epilog="Example: tocsin quarantine show 3-17")
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="As `tocsin quarantine list` shows it.")],
    as_json: output.AsJson = False,
) -> None:
    """Show a quarantined record: why, its headers, and its bytes in hex and as text."""
    from tocsin.cli.cluster import Cluster

    found = _find(Cluster(), id)
    if as_json:
        output.json_document(document(found) | {"key": found.key, "value": found.value})
        return
    _tell(output.console(), found)


@app.command(
    epilog="Example: tocsin quarantine redrive --topic tocsin.events.driftguard --since 1d --why 'schema fixed'"
)
def redrive(
    id: Annotated[
        str | None, typer.Argument(metavar="ID", help="One record; else all that the options name.")
    ] = None,
    topic: Topic = None,
    reason: Text = None,
    since: Since = None,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the audit. Required.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Also those that were sent back before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Send quarantined records back to where they came from, with the bytes and headers they had.

    Do it once what was wrong is mended. An event keeps its id, so a receiver sees the delivery that it would have
    seen; what still cannot be read comes back to quarantine.
    """
    from tocsin.cli import counting
    from tocsin.cli.audit import entry, tell
    from tocsin.cli.cluster import Cluster
    from tocsin.quarantined import REDRIVEN, outgoing

    if not why and not dry_run:
        raise usage("say --why, for the audit; --dry-run only counts")
    cluster = Cluster()
    chosen = [_find(cluster, id)] if id else list(_chosen(cluster, topic, reason, since))
    ready = [each for each in chosen if each.can_return(cluster.topics) and (again or not each.redriven)]
    many = f"{len(ready)} of {len(chosen)} records"
    if dry_run or not ready:
        print(f"{many} would be sent back")
        return
    counting.agree(f"Send {many} back?", f"{many} would be sent back; without a terminal, say --yes", yes)
    done = 0
    # What is sent back is told before more is: the audit is all that keeps it from being sent a second time.
    for begin in range(0, len(ready), _TOLD_TOGETHER):
        portion = ready[begin : begin + _TOLD_TOGETHER]
        stored, failed = cluster.store_some([outgoing(each) for each in portion], timeout_s=60.0)
        back = [portion[number] for number in sorted(stored)]
        tell(
            cluster,
            *(
                entry(REDRIVEN, each.id, each.organization, why=why, after={"source": each.source})
                for each in back
            ),
        )
        done += len(back)
        if failed is not None:
            output.notice(f"{done} of {len(ready)} records are on the way, and the audit knows them")
            raise failed
    output.notice(f"{done} {'record is' if done == 1 else 'records are'} on the way")


def document(found: Quarantined) -> dict[str, Any]:
    """Return a quarantined record for machines, without its bytes."""
    return {
        "id": found.id,
        "time": times.rfc3339(found.timestamp_ms),
        "source": found.source,
        "program": found.program,
        "reason": found.reason,
        "redriven": found.redriven,
        "headers": [[name, value] for name, value in found.headers],
    }


def dump(data: bytes) -> Iterator[str]:
    """Yield bytes as lines of offset, hex and text, 16 bytes a line."""
    for start in range(0, len(data), _ROW):
        row = data[start : start + _ROW]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{start:08x}  {row.hex(' '):<{3 * _ROW}} {text}"


def _chosen(
    cluster: Cluster, topic: str | None, reason: str | None, since: str | None
) -> Iterator[Quarantined]:
    now_ms = round(time.time() * 1000)
    since_ms = 0 if since is None else times.option_ms("--since", since, now_ms)
    return (
        each
        for each in _read(cluster)
        if topic in (None, each.source_topic)
        and (reason is None or reason.casefold() in each.reason.casefold())
        and each.timestamp_ms >= since_ms
    )


def _read(cluster: Cluster) -> Iterator[Quarantined]:
    from tocsin import quarantined
    from tocsin.cli.audit import entries
    from tocsin.quarantined import REDRIVEN

    cluster.partitions(cluster.topics.quarantine)
    redriven = {each.object for each in entries(cluster) if each.action == REDRIVEN}
    for found in quarantined.scan(cluster.settings, cluster.registry):
        yield replace(found, redriven=found.id in redriven)


def _find(cluster: Cluster, id: str) -> Quarantined:
    for each in _read(cluster):
        if each.id == id:
            return each
    raise Failure(f"there is no quarantined record {id}; `tocsin quarantine list` shows them")


def _tell(out: Console, found: Quarantined) -> None:
    now_ms = round(time.time() * 1000)
    output.fields(
        [
            ("id", found.id),
            ("source", found.source),
            ("set aside", f"{times.clock(found.timestamp_ms, now_ms)} by {found.program}"),
            ("reason", output.styled(found.reason, "red")),
            ("sent back", "yes" if found.redriven else "no"),
            ("key", output.text_or_base64(found.key or b"")),
            *((name, output.text_or_base64(value or b"")) for name, value in found.headers),
        ]
    )
    out.print()
    out.print(output.styled(f"Value ({len(found.value or b'')} bytes)", "bold"))
    for line in dump(found.value or b""):
        out.print(output.styled(line))
