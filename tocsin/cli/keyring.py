"""`tocsin keyring new` and `tocsin keys rewrap`: the keys that seal secrets at rest, and changing them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tocsin.cli import output
from tocsin.cli.failure import Failure, usage

if TYPE_CHECKING:
    from tocsin.cli.cluster import Cluster
    from tocsin.client import Client

app = typer.Typer(no_args_is_help=True)

REQUEST: Final = "/v1/keyring/rewrap"
IDLE_MAX: Final = 3
"""After so many requests in a row that sealed nothing again, what is left will not go by asking."""


def install(keys: typer.Typer) -> None:
    """Add the commands that belong to those about keys."""
    keys.command(epilog="Example: tocsin keys rewrap 2026-11")(rewrap)


@app.callback()
def keyrings() -> None:
    """The keyring that seals secrets at rest."""


@app.command(epilog="Example: tocsin keyring new 2026-11 >> keyring.txt")
def new(
    key_id: Annotated[str | None, typer.Argument(metavar="ID", help="Else today's date.")] = None,
) -> None:
    """Print a keyring line with a new random key.

    TOCSIN_KEYRING_FILE names the file the line belongs into. Its first line seals, every line opens: put a new one
    last, restart what reads it (control and delivery), then move it to the front and restart control. `tocsin keys
    rewrap` then seals everything with it, and the old one can be taken out.
    """
    from tocsin.secrets import new_key_line

    chosen = key_id if key_id is not None else time.strftime("%Y-%m-%d")
    if not chosen or set(chosen) & set(":,\n "):
        raise usage("a key's id has no colon, comma or space")
    print(new_key_line(chosen))


def rewrap(
    key_id: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="The new key; else the first of the keyring that is set."),
    ] = None,
) -> None:
    """Seal every secret with the keyring's primary key, and prove that none is left under another.

    The control API does it, so the API key needs the scope `operate`. What is left is then counted in the topic
    itself: exit code 0 means that no record needs an older key.
    """
    from tocsin.cli.api import client
    from tocsin.cli.cluster import Cluster

    wanted = _primary() if key_id is None else key_id
    cluster = Cluster()
    with client() as api:
        written = _ask(api, wanted)
    left = _left(cluster, wanted)
    if left:
        raise Failure(f"{len(left)} subscriptions still need another key than {wanted}, such as {left[0]}")
    output.notice(f"sealed again: {written} subscriptions; all that is sealed is under {wanted}")


def _primary() -> str:
    from tocsin import settings
    from tocsin.secrets import load_keyring

    return load_keyring(settings.load()).primary


def _ask(api: Client, key_id: str) -> int:
    """Ask until nothing is left, or no request gets any further; return how many were written."""
    written = idle = 0
    while idle < IDLE_MAX:
        answer = api.call("POST", REQUEST, body={"key_id": key_id})
        written += answer["rewrapped"]
        if answer["unopened"]:
            raise Failure(
                f"no key of the keyring opens {', '.join(answer['unopened'])}; all others are sealed"
            )
        if not answer["left"]:
            break
        idle = 0 if answer["rewrapped"] else idle + 1
    return written


def _left(cluster: Cluster, key_id: str) -> list[str]:
    """Return the subscriptions in the topic that hold something sealed with another key."""
    from tocsin import sealing, subscriptions
    from tocsin.cli import feed
    from tocsin.kafka import pipeline

    decode = pipeline.decoder(cluster.registry, "subscription")
    rows = feed.latest(
        cluster,
        cluster.topics.subscriptions,
        lambda message: subscriptions.from_record(feed.record(decode, message), message.offset() or 0),
    )
    return [each.id for each in rows.values() if sealing.stale(each, key_id)]
