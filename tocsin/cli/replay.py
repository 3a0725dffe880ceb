"""`tocsin replay`: set dead letters going again, and look after the jobs that do.

The command writes a job; the replay program does the work. So it goes on when the command is interrupted, and it is
seen by everyone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tocsin.cli import choosing, counting, output, times
from tocsin.cli.failure import Failure, usage

if TYPE_CHECKING:
    from tocsin.jobs import Job, Wanted

app = typer.Typer()

Why = Annotated[
    str,
    typer.Option(
        metavar="TEXT", help="Why, for those who look at the job later. Required, but for a dry run."
    ),
]
Rate = Annotated[float, typer.Option(metavar="N", min=0.1, max=10_000, help="Deliveries set going a second.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count, and show some.")]
Wait = Annotated[bool, typer.Option(help="Follow the job to its end.")]
JobName = Annotated[str, typer.Argument(metavar="JOB", help="As `tocsin replay status` shows it.")]
NEEDS_WHY: Final = "say --why, for those who look at the job later; --dry-run only counts"


@app.callback(
    invoke_without_command=True,
    epilog="Example: tocsin replay --subscription wh_x --since 1d --why 'their outage is over' --dry-run",
)
def replay(
    context: typer.Context,
    subscription: choosing.Subscription = None,
    reason: choosing.Reason = None,
    since: choosing.SinceTime = None,
    until: choosing.UntilTime = None,
    system: choosing.System = None,
    organization: choosing.Organization = None,
    event_type: choosing.EventType = None,
    fault: choosing.Fault = None,
    status_code: choosing.Status = None,
    error: choosing.ErrorText = None,
    delivery: choosing.DeliveryId = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Send them to this subscription of the same organization instead, as tests."
        ),
    ] = None,
    why: Why = "",
    rate: Rate = 100.0,
    count: Annotated[bool, typer.Option("--count", help="Only say how many there are.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = True,
    as_json: output.AsJson = False,
) -> None:
    """Set dead letters going again, each with the body it had and a new signature.

    Those that match when the job begins are taken, each delivery once; receivers see the delivery id they know.
    Without filters all are taken. Ctrl-C leaves the job running: `tocsin replay status` shows it.
    """
    if context.invoked_subcommand is not None:
        return
    from tocsin.cli import jobs
    from tocsin.cli.cluster import Cluster

    if not (why or dry_run or count):
        raise usage(NEEDS_WHY)
    selection = choosing.selection(
        subscription_id=subscription,
        reason=reason,
        since=since,
        until=until,
        system=system,
        organization=organization,
        event_type=event_type,
        fault=fault,
        http_status=status_code,
        error_text=error,
        delivery_id=delivery,
    )
    cluster = Cluster()
    found = counting.count(cluster, selection)
    if count and not as_json:
        print(found.deliveries)
        return
    if dry_run or count:
        counting.show(found, "replayed", as_json)
        return
    if not found.deliveries:
        output.notice("no dead letters match: nothing to replay")
        return
    agree(found.deliveries, yes)
    selection = counting.with_tenant(selection, found)
    job = jobs.submit(cluster, selection, why, rate=rate, target=to)
    jobs.follow_or_say(cluster, job, found.deliveries, wait=wait, as_json=as_json)


def agree(deliveries: int, yes: bool) -> None:
    """Return if somebody agrees that so many deliveries are replayed; raises as `counting.agree`."""
    many = output.deliveries(deliveries)
    said = f"{many} would be replayed; without a terminal to ask on, say --yes"
    counting.agree(f"Replay {many}?", said, yes)


@app.command(epilog="Example: tocsin replay status")
def status(
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="One job; else all, newest last.")] = None,
    as_json: output.AsJson = False,
) -> None:
    """Show replay jobs: who asked, why, how far they have come."""
    from tocsin.cli import jobs
    from tocsin.cli.cluster import Cluster

    now_ms = round(time.time() * 1000)
    known = jobs.read(Cluster())
    if job is not None:
        known = {job: _known(known, job)}
    if as_json:
        documents = [jobs.document(row) for row in known.values()]
        output.json_document(documents[0] if job is not None else documents)
        return
    output.table(
        ("job", "kind", "asked", "by", "state", "done", "of", "left", "why", "error"),
        [
            (
                row.request.job,
                row.request.kind,
                times.clock(row.request.requested_at, now_ms),
                row.request.requested_by,
                output.styled(row.state, _STYLES[row.state]),
                str(row.progress.replayed) if row.progress and row.request.kind != "purge" else "",
                str(row.progress.selected) if row.progress else "",
                times.span(row.eta_s) if row.eta_s is not None else "",
                row.request.why,
                (row.progress.error if row.progress else None) or "",
            )
            for row in known.values()
        ],
        empty="no replay was ever asked for",
    )


@app.command(epilog="Example: tocsin replay pause rpl-20261121-101500-3f2a91")
def pause(job: JobName, why: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "") -> None:
    """Let a job wait. What it has set going already is delivered."""
    _steer(job, "pause", why, "waits from now on; `tocsin replay resume` lets it go on")


@app.command(epilog="Example: tocsin replay resume rpl-20261121-101500-3f2a91")
def resume(job: JobName, why: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "") -> None:
    """Let a job that waits go on."""
    _steer(job, "run", why, "goes on")


@app.command(epilog="Example: tocsin replay cancel rpl-20261121-101500-3f2a91")
def cancel(job: JobName, why: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "") -> None:
    """End a job for good. What it has set going already is delivered."""
    _steer(job, "cancel", why, "ends here")


_STYLES: Final = {
    "requested": "yellow",
    "running": "cyan",
    "paused": "yellow",
    "done": "green",
    "cancelled": "dim",
    "failed": "bold red",
}


def _steer(job: str, wanted: Wanted, why: str, then: str) -> None:
    from tocsin.cli import jobs
    from tocsin.cli.cluster import Cluster
    from tocsin.jobs import refusal

    cluster = Cluster()
    said = refusal(_known(jobs.read(cluster), job), wanted)
    if said is not None:
        raise Failure(said)
    jobs.steer(cluster, job, wanted, why)
    output.notice(f"job {job} {then}")


def _known(jobs: dict[str, Job], job: str) -> Job:
    if job not in jobs:
        raise Failure(f"there is no job {job}; `tocsin replay status` shows them")
    return jobs[job]
