"""`tocsin keys`: API keys.

They are written straight to Kafka: whoever may write there is the administrator.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli import output, times
from tocsin.cli.failure import Failure, usage

if TYPE_CHECKING:
    from tocsin.cli.cluster import Cluster
    from tocsin.keys import ApiKey

app = typer.Typer(no_args_is_help=True)

DEFAULT_SCOPES: Final = ("manage", "read")


@app.callback()
def keys() -> None:
    """API keys of the control API and the gateway."""


@app.command(
    epilog="Example: export TOCSIN_API_KEY=$(tocsin keys create --organization acme --system driftguard)"
)
def create(
    organization: Annotated[str, typer.Option(metavar="NAME", help="The tenant the key speaks for.")],
    system: Annotated[
        str, typer.Option(metavar="NAME", help="The documented system whose events this tenant gets.")
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="publish, manage, read, replay or admin; operate for the whole installation. May be repeated; "
            "else manage and read.",
        ),
    ] = None,
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    expires_in: Annotated[
        str | None, typer.Option(metavar="DURATION", help="When it ends, such as 90d; else never.")
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Make an API key and show it this once.

    Standard output gets the key alone, so that a script can take it. Only its digest is stored; it counts on
    every node within seconds.
    """
    from tocsin import keys as api_keys
    from tocsin.cli.cluster import Cluster
    from tocsin.cli.contracts import known_system

    now_ms = round(time.time() * 1000)
    key_id, text = api_keys.new_key(os.urandom(api_keys.RANDOM_BYTES))
    key = api_keys.ApiKey(
        id=key_id,
        organization=organization,
        system=known_system(system).name,
        sha256=api_keys.digest(text),
        scopes=_scopes(scope),
        created_at=now_ms,
        description=description,
        expires_at=_expiry(expires_in, now_ms),
    )
    cluster = Cluster()
    cluster.ensure_topics()
    _store(cluster, key)
    _tell(cluster, "created", None, key)
    if as_json:
        output.json_document(document(key, now_ms) | {"key": text})
    else:
        print(text)
        output.notice(f"key {key_id} of {organization} ({', '.join(key.scopes)}); it is shown this once")


@app.command("list", epilog="Example: tocsin keys list --organization acme")
def list_(
    organization: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    as_json: output.AsJson = False,
) -> None:
    """List API keys: ids and what they may do, never the keys themselves."""
    from tocsin.cli.cluster import Cluster
    from tocsin.keys import state

    now_ms = round(time.time() * 1000)
    rows = [key for key in _read(Cluster()).values() if organization in (None, key.organization)]
    rows.sort(key=lambda key: key.created_at)
    if as_json:
        output.json_document([document(key, now_ms) for key in rows])
        return
    output.table(
        ("id", "organization", "system", "scopes", "state", "created", "description"),
        [
            (
                key.id,
                key.organization,
                key.system,
                ",".join(key.scopes),
                output.styled(state(key, now_ms), "green" if state(key, now_ms) == "active" else "red"),
                times.clock(key.created_at, now_ms),
                key.description,
            )
            for key in rows
        ],
        empty="no keys; `tocsin keys create --organization … --system …` makes one",
    )


@app.command(epilog="Example: tocsin keys revoke mnq2x7c4aeyz")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `tocsin keys list` shows it.")],
) -> None:
    """Revoke an API key: within seconds no node accepts it."""
    from tocsin.cli.cluster import Cluster

    cluster = Cluster()
    key = _read(cluster).get(key_id)
    if key is None:
        raise Failure(f"there is no key {key_id}; `tocsin keys list` shows them")
    if key.revoked_at is None:
        revoked = replace(key, revoked_at=round(time.time() * 1000))
        _store(cluster, revoked)
        _tell(cluster, "revoked", key, revoked)
    output.notice(f"key {key_id} of {key.organization} is revoked")


def document(key: ApiKey, now_ms: int) -> dict[str, Any]:
    """Return a key for machines, without its digest."""
    from tocsin.keys import state

    return {
        "id": key.id,
        "organization": key.organization,
        "system": key.system,
        "scopes": list(key.scopes),
        "state": state(key, now_ms),
        "description": key.description,
        "created_at": times.rfc3339(key.created_at),
        "expires_at": key.expires_at and times.rfc3339(key.expires_at),
        "revoked_at": key.revoked_at and times.rfc3339(key.revoked_at),
    }


def _scopes(named: list[str] | None) -> tuple[str, ...]:
    from tocsin.keys import OPERATE, SCOPES

    there_are = (*SCOPES, OPERATE)
    unknown = [name for name in named or () if name not in there_are]
    if unknown:
        raise usage(f"--scope: {unknown[0]!r} is none; there are {', '.join(there_are)}")
    return tuple(dict.fromkeys(named or DEFAULT_SCOPES))


def _expiry(text: str | None, now_ms: int) -> int | None:
    if text is None:
        return None
    try:
        return now_ms + round(times.duration_s(text) * 1000)
    except ValueError as error:
        raise usage(f"--expires-in: {error}") from None


def _read(cluster: Cluster) -> dict[str, ApiKey]:
    from tocsin.cli import feed
    from tocsin.kafka import pipeline
    from tocsin.keys import from_record

    decode = pipeline.decoder(cluster.registry, "api_key")
    return feed.latest(
        cluster, cluster.topics.keys, lambda message: from_record(feed.record(decode, message))
    )


def _tell(cluster: Cluster, action: str, before: ApiKey | None, after: ApiKey) -> None:
    from tocsin import audited
    from tocsin.cli import audit

    told = audit.entry(
        f"key.{action}", after.id, after.organization, before=audited.key(before), after=audited.key(after)
    )
    audit.tell(cluster, told)


def _store(cluster: Cluster, key: ApiKey) -> None:
    from tocsin.kafka import pipeline
    from tocsin.kafka.writer import Outgoing
    from tocsin.keys import to_record

    encode = pipeline.encoder(cluster.registry, cluster.topics, "api_key")
    cluster.store(Outgoing(cluster.topics.keys, key.id.encode(), encode(to_record(key))))
