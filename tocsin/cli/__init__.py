"""The `tocsin` command: for the people who publish, receive and look after events.

Commands import what they need when they run, so that `tocsin --help` answers at once. Standard output gets what was
asked for, standard error what is said about it. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by policy.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from tocsin.cli import (
    audit,
    deadletters,
    deliveries,
    doctor,
    endpoints,
    events,
    failure,
    keyring,
    keys,
    listen,
    publish,
    quarantine,
    recover,
    replay,
    topics,
    upkeep,
)
from tocsin.errors import TocsinError

app = typer.Typer(
    name="tocsin",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tocsin {version('tocsin')}")
        raise typer.Exit


@app.callback(
    epilog="Settings come from the environment (TOCSIN_KAFKA, TOCSIN_REGISTRY, TOCSIN_API, TOCSIN_API_KEY, "
    "TOCSIN_TOPIC_PREFIX …) and from .tocsin/local.env, which the local stack writes."
)
def tocsin(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Governance events on Kafka, delivered as signed webhooks."""


app.command(epilog="Example: tocsin publish governlayer drift.alert --example --organization acme")(
    publish.publish
)
app.command(epilog="Example: tocsin events driftguard")(events.events)
app.command(epilog="Example: tocsin listen --register --events '*'")(listen.listen)
upkeep.install(endpoints.app)
keyring.install(keys.app)
app.add_typer(endpoints.app, name="endpoints")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(deadletters.app, name="dlq")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(replay.app, name="replay")
app.command(
    epilog="Example: tocsin recover --webhook wh_x --since 2h --why 'their outage is over' --dry-run"
)(recover.recover)
deliveries.app.command(epilog="Example: tocsin deliveries missing --webhook wh_x --since 1d")(recover.missing)
app.command(epilog="Example: tocsin doctor --json")(doctor.doctor)
app.command(epilog="Example: tocsin audit --action 'key.*' --since 7d")(audit.audit)
app.add_typer(keys.app, name="keys")
app.add_typer(keyring.app, name="keyring")
app.add_typer(topics.app, name="topics")


def main() -> NoReturn:
    """Run the command that the arguments name, and exit."""
    _tell_of_errors()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; what went wrong is one line on stderr."""
    try:
        returned = app(arguments, prog_name="tocsin", standalone_mode=False)
    except typer.TyperException as error:
        return _say_usage(error)
    except typer.Abort:
        return failure.INTERRUPTED
    except TocsinError as error:
        print(failure.line(error), file=sys.stderr)
        return failure.exit_code(error)
    except Exception as error:
        from confluent_kafka import KafkaException  # after the fact: most of a command's start otherwise

        if not isinstance(error, KafkaException):
            raise
        print(failure.line(TocsinError(error.args[0].str())), file=sys.stderr)
        return failure.FAILED
    return returned if isinstance(returned, int) else failure.OK


def _tell_of_errors() -> None:
    """Show what the library logs as an error, such as a record it passes over, as a line like any other."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("tocsin: %(message)s"))
    handler.setLevel(logging.ERROR)
    logging.getLogger().addHandler(handler)
    # The client logs every lost connection; what matters of it becomes the one line of the command.
    client = logging.getLogger("tocsin.kafka.client")
    client.addHandler(logging.NullHandler())
    client.propagate = False


def _say_usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    said = " ".join(error.format_message().split())
    if said and type(error).__name__ != "NoArgsIsHelpError":
        path = context.command_path if context is not None else "tocsin"
        print(f"tocsin: {said.rstrip('.')}; `{path} --help` tells more", file=sys.stderr)
    return failure.USAGE
