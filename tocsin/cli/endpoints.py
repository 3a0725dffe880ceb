"""`tocsin endpoints`: where events are delivered to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.failure import REFUSED, Failure, usage
from tocsin.errors import RequestRefused, TocsinError

if TYPE_CHECKING:
    from rich.text import Text

    from tocsin.destinations import Destination, Policy

app = typer.Typer(no_args_is_help=True)


@app.callback()
def endpoints() -> None:
    """Endpoints: where events are delivered to."""


@app.command(epilog="Example: tocsin endpoints add https://example.com/hooks --events 'drift.*'")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to POST to.")],
    events: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Event types, comma separated; `drift.*` and `*` match several."),
    ],
    wire_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="An open format, such as standard-webhooks; else the system's own.",
        ),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Only events whose data has NAME=VALUE, such as contract_id=c-1."
        ),
    ] = None,
    filter_: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="NAME=VALUE|JSON",
            help="Only events with this, such as data.risk_level=HIGH; in JSON any CloudEvents filter expression.",
        ),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A request header of your own, NAME=VALUE.")
    ] = None,
    secret: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Your own signing secret; else one is made.")
    ] = None,
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Register an endpoint, and show its signing secret this once."""
    from tocsin.cli.api import client

    wanted = request(
        url,
        events,
        wire_format=wire_format,
        scope=pairs("--scope", scope or ()),
        filters=expressions(filter_ or ()),
        headers=pairs("--header", header or ()),
        secret=secret,
        description=description,
    )
    with client() as api:
        try:
            created = api.webhooks.create(**wanted).fields
        except RequestRefused as error:
            raise refused(error, url) from error
    if as_json:
        output.json_document(created)
        return
    output.fields(screen(created))
    if created.get("secret"):
        output.notice("the secret is shown this once: the receiver needs it to verify signatures")


@app.command("list", epilog="Example: tocsin endpoints list --json")
def list_(as_json: output.AsJson = False) -> None:
    """List your organization's endpoints."""
    from tocsin.cli.api import client

    with client() as api:
        found = [dict(each.fields) for each in api.webhooks.list()]
    if as_json:
        output.json_document(found)
        return
    output.table(
        ("id", "url", "events", "format", "state", "created", "description"),
        [
            (
                output.styled(row["id"], "cyan"),
                row["url"],
                ",".join(row["events"]) + (" (filtered)" if row.get("filters") else ""),
                row.get("format") or "",
                _state(row),
                row["created_at"],
                row.get("description") or "",
            )
            for row in found
        ],
        empty="no endpoints; `tocsin endpoints add URL --events '*'` makes one",
    )


@app.command(epilog="Example: tocsin endpoints remove wh_5f0c…")
def remove(
    endpoint_id: Annotated[str, typer.Argument(metavar="ID", help="As `tocsin endpoints list` shows it.")],
) -> None:
    """Remove an endpoint. What is still to be delivered to it becomes dead letters."""
    from tocsin.cli.api import client

    with client() as api:
        api.webhooks.delete(endpoint_id)
    output.notice(f"endpoint {endpoint_id} is removed")


@app.command(epilog="Example: tocsin endpoints check https://10.0.0.8/hooks")
def check(
    url: Annotated[str, typer.Argument(metavar="URL", help="The endpoint's address.")],
    system: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ask for an endpoint of this system: some want HTTPS.")
    ] = None,
    resolve: Annotated[bool, typer.Option(help="Look the name up here and judge every address.")] = True,
    as_json: output.AsJson = False,
) -> None:
    """Say whether policy lets a POST go to an address. No request is sent.

    Exit code 0 means allowed, 3 refused. A name is looked up from this machine; a delivery looks again, whenever it
    connects.
    """
    from tocsin import settings as settings_module
    from tocsin.cli.contracts import known_system
    from tocsin.destinations import parse_url, policy_of

    settings = settings_module.load()
    policy = policy_of(settings)
    https_only = system is not None and known_system(system).https_only
    destination = parse_url(url, policy, https_only=https_only)
    judged = _judge(destination, policy) if resolve else []
    refused = [address for address, reason in judged if reason is not None]
    if as_json:
        output.json_document(_judgement(destination, judged, refused))
    else:
        _tell(destination, judged)
    if refused:
        raise typer.Exit(REFUSED)


def refused(error: RequestRefused, url: str) -> TocsinError:
    """Return what to say of a refusal: the API does not tell tenants why policy refuses a destination."""
    if "destination_not_allowed" not in error.detail:
        return error
    return Failure(f"policy refuses this destination; `tocsin endpoints check {url}` says why", REFUSED)


def request(
    url: str,
    events: str,
    *,
    wire_format: str | None = None,
    scope: dict[str, str] | None = None,
    filters: list[Any] | None = None,
    headers: dict[str, str] | None = None,
    secret: str | None = None,
    description: str = "",
) -> dict[str, Any]:
    """Return the body of a request for a new endpoint; what was not given is left out."""
    given = {
        "url": url,
        "events": [name.strip() for name in events.split(",") if name.strip()],
        "format": wire_format,
        "filters": filters,
        "headers": headers,
        "secret": secret,
        "description": description,
    }
    return {name: value for name, value in given.items() if value} | (scope or {})


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Return NAME=VALUE texts as a mapping; a usage failure naming the option for what is none."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise usage(f"{option}: {text!r} is not NAME=VALUE")
        found[name] = value
    return found


def expressions(texts: Iterable[str]) -> list[Any]:
    """Return filter expressions: JSON as it is, NAME=VALUE as what must be equal; a usage failure for what is neither."""
    found: list[Any] = []
    for text in texts:
        if text.lstrip().startswith("{"):
            try:
                found.append(json.loads(text))
            except (ValueError, RecursionError) as error:
                raise usage(f"--filter: {text[:200]!r} is not JSON: {error}") from error
        else:
            found.append({"exact": pairs("--filter", (text,))})
    return found


def screen(endpoint: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what people want to know of a new endpoint: what is set, the secret among it."""
    shown = {
        name: value
        for name, value in endpoint.items()
        if value not in (None, "", [], {}) and name != "secrets"
    }
    return [(name.replace("_", " "), _words(value)) for name, value in shown.items()]


def _state(endpoint: Mapping[str, Any]) -> Text:
    if endpoint["active"]:
        return output.styled("active", "green")
    return output.styled(f"disabled: {endpoint.get('disabled_reason') or 'no reason given'}", "red")


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={part}" for name, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(part if isinstance(part, str) else json.dumps(part) for part in value)
    return str(value)


def _judge(destination: Destination, policy: Policy) -> list[tuple[str, str | None]]:
    import socket
    from ipaddress import ip_address

    from tocsin.destinations import refusal

    if destination.address is not None:
        return [(str(destination.address), None)]
    try:
        answers = socket.getaddrinfo(f"{destination.host}.", destination.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Failure(
            f"{destination.host} cannot be looked up: {error.strerror}; --no-resolve leaves that out"
        ) from error
    addresses = dict.fromkeys(str(answer[4][0]).partition("%")[0] for answer in answers)
    return [(text, refusal(ip_address(text), destination.port, policy)) for text in addresses]


def _judgement(
    destination: Destination, judged: list[tuple[str, str | None]], refused: list[str]
) -> dict[str, Any]:
    addresses = [{"address": address, "refused": reason} for address, reason in judged]
    return {"url": destination.url, "allowed": not refused, "addresses": addresses}


def _tell(destination: Destination, judged: list[tuple[str, str | None]]) -> None:
    out = output.console()
    for address, reason in judged:
        if reason is not None:
            out.print(output.styled(f"✗ {address}: {reason}", "red"))
        elif not destination.is_literal:
            out.print(output.styled(f"✓ {address}", "green"))
    if any(reason for _, reason in judged):
        out.print(output.styled(f"✗ refused: {destination.url}", "bold red"))
    else:
        out.print(output.styled(f"✓ allowed: {destination.url}", "bold green"))
