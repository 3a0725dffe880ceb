"""The audit trail: who changed what, when and why, as it was before and after. Values only.

An entry is written after the change is acknowledged and before anybody is told that it is done; what could not be
written down is not answered as done. Entries are appended, never changed: the topic keeps them for 400 days, and the
broker's access rules let nobody delete from it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Entry:
    """One change.

    Attributes:
        at: When, milliseconds since the epoch.
        actor: Who: `key:<id>` for an API key, `cli:<user>` for the command.
        action: What was done, such as `subscription.created`.
        object: Id of the subscription, key or job.
        organization: The tenant concerned; empty when no single one is.
        before: What has changed, as it was. Never a secret.
        after: What has changed, as it is.
    """

    id: uuid.UUID
    at: int
    actor: str
    action: str
    object: str
    organization: str
    why: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return of two states of an object only what differs: as it was, and as it is."""
    names = [
        name
        for name in dict.fromkeys((*before, *after))
        if (name in before) != (name in after) or before[name] != after[name]
    ]
    return (
        {name: before[name] for name in names if name in before},
        {name: after[name] for name in names if name in after},
    )


def to_record(entry: Entry) -> dict[str, Any]:
    """Return the Avro record of an entry."""
    record = {name: getattr(entry, name) for name in Entry.__slots__}
    return record | {
        "id": str(entry.id),
        "before": {name: orjson.dumps(value).decode() for name, value in entry.before.items()},
        "after": {name: orjson.dumps(value).decode() for name, value in entry.after.items()},
    }


def from_record(record: Mapping[str, Any]) -> Entry:
    """Return the entry that an Avro record holds."""
    known = {name: record[name] for name in Entry.__slots__}
    known["id"] = uuid.UUID(record["id"])
    for side in ("before", "after"):
        known[side] = {name: orjson.loads(value) for name, value in record[side].items()}
    return Entry(**known)
