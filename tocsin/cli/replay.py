"""`tocsin replay`: set dead letters going again.

The command writes a job; the replay program does the work. So it goes on when the command is interrupted, and it is
seen by everyone.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli import output, times
from tocsin.cli.deadletters import Reason, SinceTime, Subscription, UntilTime
from tocsin.cli.failure import Failure, usage

if TYPE_CHECKING:
    from tocsin.cli.cluster import Cluster
    from tocsin.deadletters import DeadLetter
    from tocsin.selection import Selection

app = typer.Typer()

SAMPLES: Final = 10


@app.callback(
    invoke_without_command=True,
    epilog="Example: tocsin replay --subscription wh_x --since 1d --why 'their outage is over' --dry-run",
)
def replay(
    context: typer.Context,
    subscription: Subscription = None,
    reason: Reason = None,
    since: SinceTime = None,
    until: UntilTime = None,
    why: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="Why, for those who look at the job later. Required, but for a dry run."
        ),
    ] = "",
    rate: Annotated[
        float, typer.Option(metavar="N", min=0.1, max=10_000, help="Deliveries set going a second.")
    ] = 100.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count, and show some.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
    as_json: output.AsJson = False,
) -> None:
    """Set dead letters going again, each with the body it had and a new signature.

    Those that match when the job begins are taken, each delivery once; receivers see the delivery id they know.
    Without filters all are taken. Ctrl-C leaves the job running: `tocsin replay status` shows it.
    """
    if context.invoked_subcommand is not None:
        return
    from tocsin.cli import follower, jobs
    from tocsin.cli.cluster import Cluster
    from tocsin.cli.deadletters import selected

    if not why and not dry_run:
        raise usage("say --why, for those who look at the job later; --dry-run only counts")
    selection = selected(subscription, reason, since, until, round(time.time() * 1000))
    cluster = Cluster()
    found = _count(cluster, selection)
    if dry_run:
        _show_count(found, as_json)
        return
    if not found.deliveries:
        output.notice("no dead letters match: nothing to replay")
        return
    _agree(found.deliveries, yes)
    job = jobs.submit(cluster, selection, why, rate)
    if not wait:
        _say_job(job, found.deliveries, as_json)
        return
    if not as_json:
        output.notice(f"job {job}")
    follower.finish(job, jobs.follow(cluster), found.deliveries, as_json)


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
        if job not in known:
            raise Failure(f"there is no job {job}; `tocsin replay status` shows them")
        known = {job: known[job]}
    rows = sorted(known.values(), key=lambda each: each.request.requested_at)
    if as_json:
        documents = [jobs.document(row) for row in rows]
        output.json_document(documents[0] if job is not None else documents)
        return
    output.table(
        ("job", "asked", "by", "state", "replayed", "of", "why", "error"),
        [
            (
                row.request.job,
                times.clock(row.request.requested_at, now_ms),
                row.request.requested_by,
                output.styled(row.state, _STYLES[row.state]),
                str(row.progress.replayed) if row.progress else "",
                str(row.progress.selected) if row.progress else "",
                row.request.why,
                (row.progress.error if row.progress else None) or "",
            )
            for row in rows
        ],
        empty="no replay was ever asked for",
    )


_STYLES: Final = {"waiting": "yellow", "running": "cyan", "done": "green", "failed": "bold red"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a selection means at this moment.

    Attributes:
        letters: How many dead letters.
        deliveries: How many deliveries they are of: one may have died more than once.
        reasons: Reason to number of dead letters.
        samples: The first few.
    """

    letters: int
    deliveries: int
    reasons: dict[str, int]
    samples: tuple[DeadLetter, ...]


def _count(cluster: Cluster, selection: Selection) -> Found:
    from tocsin.cli.deadletters import matching

    ids, reasons, samples, letters = set[str](), dict[str, int](), list[Any](), 0
    for letter in matching(cluster, selection):
        letters += 1
        ids.add(letter.delivery_id)
        reasons[letter.reason] = reasons.get(letter.reason, 0) + 1
        if len(samples) < SAMPLES:
            samples.append(letter)
    return Found(letters, len(ids), reasons, tuple(samples))


def _show_count(found: Found, as_json: bool) -> None:
    from tocsin.cli import deadletters

    if as_json:
        samples = [deadletters.document(letter) for letter in found.samples]
        output.json_document(
            {
                "dead_letters": found.letters,
                "deliveries": found.deliveries,
                "reasons": found.reasons,
                "samples": samples,
            }
        )
        return
    if found.letters:
        deadletters.table(list(found.samples), round(time.time() * 1000))
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(found.reasons.items()))
    more = f", the first {SAMPLES} above" if found.letters > SAMPLES else ""
    print(
        f"{output.deliveries(found.deliveries)} would be replayed"
        + (f" ({reasons}{more})" if reasons else "")
    )


def _agree(deliveries: int, yes: bool) -> None:
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise usage(
            f"{output.deliveries(deliveries)} would be replayed; without a terminal to ask on, say --yes"
        )
    if not typer.confirm(f"Replay {output.deliveries(deliveries)}?", err=True):
        raise Failure("nothing was replayed")


def _say_job(job: str, deliveries: int, as_json: bool) -> None:
    if as_json:
        output.json_document({"job": job, "deliveries": deliveries})
    else:
        print(job)
        output.notice(
            f"{output.deliveries(deliveries)} will be replayed; `tocsin replay status {job}` shows how far it is"
        )
