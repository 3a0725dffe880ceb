"""`tocsin endpoints enable|disable|test|rotate`: looking after an endpoint that there is."""

from __future__ import annotations

from typing import Annotated

import typer

from tocsin.cli import output, times
from tocsin.cli.failure import usage

EndpointId = Annotated[str, typer.Argument(metavar="ID", help="As `tocsin endpoints list` shows it.")]


def install(app: typer.Typer) -> None:
    """Add these commands to those about endpoints."""
    app.command(epilog="Example: tocsin endpoints enable wh_5f0c…")(enable)
    app.command(epilog="Example: tocsin endpoints disable wh_5f0c…")(disable)
    app.command("test", epilog="Example: tocsin endpoints test wh_5f0c… drift.alert")(try_out)
    app.command(epilog="Example: tocsin endpoints rotate wh_5f0c… --keep-old 1h")(rotate)


def enable(endpoint_id: EndpointId) -> None:
    """Enable an endpoint, whatever disabled it."""
    _switch(endpoint_id, active=True)


def disable(endpoint_id: EndpointId) -> None:
    """Disable an endpoint. What is still to be delivered to it becomes dead letters."""
    _switch(endpoint_id, active=False)


def try_out(
    endpoint_id: EndpointId,
    event_type: Annotated[
        str | None, typer.Argument(metavar="TYPE", help="Of which type; else the one that is documented.")
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Send a test event to an endpoint, even one that is disabled."""
    from tocsin.cli.api import client

    with client() as api:
        delivery_id = api.webhooks.test(endpoint_id, event_type)
    if as_json:
        output.json_document({"delivery_id": delivery_id})
    else:
        output.notice(f"test on its way as delivery {delivery_id}; `tocsin deliveries tail` shows it")


def rotate(
    endpoint_id: EndpointId,
    keep_old: Annotated[
        str, typer.Option(metavar="DURATION", help="How long the old secret holds yet, such as 1h or 0s.")
    ] = "24h",
    as_json: output.AsJson = False,
) -> None:
    """Give an endpoint a new signing secret, and show it this once."""
    from tocsin.cli.api import client

    try:
        expires_in_s = round(times.duration_s(keep_old))
    except ValueError as error:
        raise usage(f"--keep-old: {error}") from None
    with client() as api:
        webhook = api.webhooks.rotate_secret(endpoint_id, expires_in_s=expires_in_s)
    if as_json:
        output.json_document(dict(webhook.fields))
        return
    output.fields([("id", webhook.id), ("secret", webhook.secret or "")])
    output.notice(f"the secret is shown this once; the one before holds for {keep_old}")


def _switch(endpoint_id: str, *, active: bool) -> None:
    from tocsin.cli.api import client

    with client() as api:
        webhook = api.webhooks.change(endpoint_id, active=active)
    output.notice(f"endpoint {webhook.id} is {'enabled' if webhook.active else 'disabled'}")
