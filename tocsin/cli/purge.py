"""`tocsin dlq purge`: strike dead letters off every list, after asking twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.cli import choosing, counting, output
from tocsin.cli.failure import Failure, usage

if TYPE_CHECKING:
    from tocsin.tally import Tally


def install(app: typer.Typer) -> None:
    """Add the command to those about dead letters."""
    app.command(epilog="Example: tocsin dlq purge --subscription wh_x --why 'the endpoint is gone for good'")(
        purge
    )


def purge(
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
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the audit. Required.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count, and show some.")] = False,
    confirm: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Do not ask: N dead letters are meant, and nothing is done if it is another number.",
        ),
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Strike dead letters off: no list, count or replay shows them any more.

    It cannot be undone. Their bytes stay in Kafka until the topic's retention (90 days) takes them. Those that come
    later are not meant, even if they match.
    """
    from tocsin.cli import follower, jobs
    from tocsin.cli.cluster import Cluster

    if not why and not dry_run:
        raise usage("say --why, for the audit; --dry-run only counts")
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
    cluster = Cluster()
    found = counting.count(cluster, selection)
    if dry_run:
        counting.show(found, "struck off", as_json)
        return
    if not found.letters:
        output.notice("no dead letters match: nothing to purge")
        return
    _agree_twice(found, confirm)
    job = jobs.submit(cluster, counting.with_tenant(selection, found), why, kind="purge")
    follower.finish(job, jobs.follow(cluster), found.deliveries, as_json, done="struck off")


def _agree_twice(found: Tally, confirm: int | None) -> None:
    if confirm is not None:
        if confirm != found.letters:
            raise Failure(f"{found.letters} dead letters are meant, not {confirm}: nothing was done")
        return
    counting.show(found, "struck off for good", as_json=False)
    question = f"Strike off {found.letters} dead letters?"
    counting.agree(question, f"without a terminal to ask on, say --confirm {found.letters}", yes=False)
    if typer.prompt("It cannot be undone. Type their number", err=True) != str(found.letters):
        raise Failure("that is another number: nothing was done")
