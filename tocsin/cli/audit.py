"""`tocsin audit`: who changed what, when and why."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli import output, times

if TYPE_CHECKING:
    from tocsin.audit import Entry
    from tocsin.cli.cluster import Cluster


def audit(
    organization: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what concerns this tenant.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what this one did: key:<id>, cli:<user>.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this: `key.*` or `*.deleted` names several.")
    ] = None,
    about: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what was done to this webhook, key or job.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="From when on: 10m, 2h, 3d ago, or an RFC 3339 time.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Until when; likewise.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many, the newest.")] = 50,
    as_json: output.AsJson = False,
) -> None:
    """Show who changed what, when and why, the newest last.

    Every replay, recovery and purge, every change of a webhook, its secret or a key. Kept for 400 days.
    """
    from tocsin import patterns
    from tocsin.cli.cluster import Cluster

    now_ms = round(time.time() * 1000)
    since_ms = 0 if since is None else times.option_ms("--since", since, now_ms)
    until_ms = None if until is None else times.option_ms("--until", until, now_ms)
    found = [
        entry
        for entry in entries(Cluster(), since_ms)
        if organization in (None, entry.organization)
        and actor in (None, entry.actor)
        and about in (None, entry.object)
        and (action is None or patterns.matches(action, entry.action))
        and entry.at >= since_ms
        and (until_ms is None or entry.at < until_ms)
    ]
    found.sort(key=lambda entry: entry.at)
    newest = found[-limit:]
    if as_json:
        output.json_document([document(entry) for entry in newest])
        return
    _show(newest, now_ms)
    if len(found) > len(newest):
        output.notice(f"the newest {len(newest)} of {len(found)}; --limit shows more")


def _show(entries: Sequence[Entry], now_ms: int) -> None:
    several = len({entry.organization for entry in entries}) > 1
    output.table(
        ("time", "who", "what", "of", *(["organization"] if several else []), "why", "change"),
        [
            (
                output.styled(times.clock(entry.at, now_ms), "dim"),
                entry.actor,
                output.styled(entry.action, "bold"),
                output.styled(entry.object, "cyan"),
                *([entry.organization or "-"] if several else []),
                entry.why,
                change(entry.before, entry.after),
            )
            for entry in entries
        ],
        empty="nothing was changed",
        cut_last=True,
    )


def change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what changed as one line, such as `active: true → false`; what may be long comes last."""
    names = sorted(dict.fromkeys((*before, *after)), key=lambda name: _is_nested(before, after, name))
    return ", ".join(
        f"{name}: {_short(before[name])} → {_short(after[name])}"
        if name in before and name in after
        else f"{'+' if name in after else '-'}{name}: {_short(after.get(name, before.get(name)))}"
        for name in names
    )


def document(entry: Entry) -> dict[str, Any]:
    """Return an entry for machines."""
    return {
        "id": str(entry.id),
        "time": times.rfc3339(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "object": entry.object,
        "organization": entry.organization or None,
        "why": entry.why,
        "before": entry.before,
        "after": entry.after,
    }


def entry(
    action: str,
    object: str,
    organization: str,
    *,
    why: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Entry:
    """Return the entry about something the command has done; of two states only what differs."""
    from tocsin import audit
    from tocsin.cli.jobs import actor

    was, is_now = audit.changes(before or {}, after or {})
    return audit.Entry(
        id=uuid.UUID(bytes=os.urandom(16), version=4),
        at=round(time.time() * 1000),
        actor=actor(),
        action=action,
        object=object,
        organization=organization,
        why=why,
        before=was,
        after=is_now,
    )


def tell(cluster: Cluster, *entries: Entry) -> None:
    """Write entries down; raises as `Cluster.store`."""
    from tocsin.kafka.trail import Trail

    trail = Trail(cluster.registry, cluster.topics)
    cluster.store_all([trail.record(each) for each in entries])


def _is_nested(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> bool:
    return any(isinstance(side.get(name), dict | list) for side in (before, after))


def _short(value: Any) -> str:
    import orjson

    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= 60 else text[:59] + "…"


def entries(cluster: Cluster, since_ms: int = 0) -> Iterator[Entry]:
    """Yield what was written down since a moment, and what is just before it; raises as `feed.read`."""
    from tocsin import audit
    from tocsin.cli import feed
    from tocsin.kafka import pipeline
    from tocsin.missed import SKEW_MS

    decode = pipeline.decoder(cluster.registry, "audit_entry")
    # The topic has the broker's times, an entry that of whoever wrote it.
    start = feed.Since(max(since_ms - SKEW_MS, 0))
    for batch in feed.read(cluster, cluster.topics.audit, start, follow=False):
        for message in batch:
            yield audit.from_record(feed.record(decode, message))
