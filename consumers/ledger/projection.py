"""What a batch of records changes in the delivery log, as rows. Pure.

A delivery record and the attempts about it may be read in any order: whoever comes first makes the row. The record
brings the content, which never changes; attempts bring the decisions, of which the newest counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from consumers.ledger import health
from consumers.ledger.batch import Entry, Identity, Told, Tried
from consumers.ledger.health import Change, Policy, State
from tocsin import tiers
from tocsin.ledger.tables import Status

Row = dict[str, Any]

CONTENT: Final = ("format", "event_time", "content_type", "headers", "body")
_MINUTE_MS: Final = 60_000
_WHOSE: Final = (
    "delivery_id",
    "organization",
    "subscription_id",
    "system",
    "event_id",
    "event_source",
    "event_type",
)
_BLANK: Final[Mapping[str, Any]] = {
    **dict.fromkeys(CONTENT),
    "status": "pending",
    "step": 0,
    "attempts": 0,
    "last_status": None,
    "last_error": None,
    "reason": None,
    "fault": None,
    "next_at": None,
    "decided_at": None,
    "decided_offset": None,
}


@dataclass(slots=True)
class Rows:
    """What is to be written, a row as column name to what the driver gets: JSON as text. It may hold more than that.

    Attributes:
        deliveries: By their id.
        decided: The ids of those about which something was decided in this batch.
        attempts: New ones.
        minutes: What is to be added to each minute's counts.
    """

    deliveries: dict[str, Row] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    attempts: list[Row] = field(default_factory=list)
    minutes: dict[tuple[str, str, int], Row] = field(default_factory=dict)


def without(entries: Iterable[Entry], known: set[Identity]) -> list[Entry]:
    """Return entries without tries that are known, or stand among them twice: a crash may repeat a decision."""
    met, fresh = set(known), []
    for entry in entries:
        if isinstance(entry, Tried):
            if entry.identity in met:
                continue
            met.add(entry.identity)
        fresh.append(entry)
    return fresh


def rows(entries: Iterable[Entry]) -> Rows:
    """Return the rows that entries make; no try may stand among them twice."""
    made = Rows()
    for entry in entries:
        if isinstance(entry, Told):
            _tell(made, entry)
        else:
            _try(made, entry)
    return made


def judge(
    entries: Iterable[Entry], states: Mapping[str, State | None], policy: Policy
) -> tuple[dict[str, State], list[Change]]:
    """Return what is known of endpoints after these entries, where that has changed, and what is to be announced.

    Args:
        entries: In the order of decisions.
        states: What was known, by subscription; None or nothing where that is nothing.
        policy: When endpoints are disabled.
    """
    changed: dict[str, State] = {}
    announced = []
    for entry in entries:
        attempt = health.read(entry.fields) if isinstance(entry, Tried) else None
        if attempt is None or not isinstance(entry, Tried):
            continue
        key = attempt.subscription_id
        changed[key], change = health.step(changed.get(key) or states.get(key), attempt, policy)
        if change is not None and not entry.quiet:
            announced.append(change)
    return {key: state for key, state in changed.items() if state != states.get(key)}, announced


def _tell(made: Rows, told: Told) -> None:
    row = _row(made, told.fields, lambda: _blank(told.fields, told.run, told.test, told.at_ms))
    if row["body"] is None:
        for name in CONTENT:
            row[name] = told.fields[name]
        row["headers"] = _json([(header["name"], header["value"]) for header in told.fields["headers"]])


def _try(made: Rows, tried: Tried) -> None:
    fields = tried.fields
    row = _row(made, fields, lambda: _blank(fields, fields["run"], fields["test"], tried.at_ms))
    made.decided.add(fields["delivery_id"])
    row["status"] = _status(fields)
    row["run"], row["step"] = fields["run"], fields["step"]
    row["reason"], row["fault"] = fields["reason"], fields["fault"]
    row["next_at"] = _next_at(tried)
    row["decided_at"], row["decided_offset"] = tried.at_ms, tried.offset
    if fields["posted"]:
        row["attempts"] += 1
        row["last_status"], row["last_error"] = fields["status"], fields["error"]
    made.attempts.append(_attempt(fields))
    _count(made, tried)


def _row(made: Rows, fields: Mapping[str, Any], blank: Callable[[], Row]) -> Row:
    known = made.deliveries.get(fields["delivery_id"])
    if known is None:
        known = made.deliveries[fields["delivery_id"]] = blank()
    return known


def _blank(fields: Mapping[str, Any], run: str, test: bool, at_ms: int) -> Row:
    row: Row = {**_BLANK, "run": run, "test": test, "created_at": at_ms}
    for name in _WHOSE:
        row[name] = fields[name]
    return row


def _status(fields: Mapping[str, Any]) -> Status:
    match fields["verdict"]:
        case "delivered":
            return "delivered"
        case "dead_letter":
            return "dead"
        case _:
            # Parked before its first POST: nothing has failed yet.
            return "retrying" if fields["attempt"] else "pending"


def _next_at(tried: Tried) -> int | None:
    tier = tried.fields["next_tier"]
    if tier not in tiers.TIERS:
        return None
    return tried.at_ms + 1000 * (tiers.seconds(tier) + int(tried.fields["remaining_s"]))


def _attempt(fields: Mapping[str, Any]) -> Row:
    return {
        **fields,
        "generation": fields["subscription_generation"],
        "request_headers": _json(fields["request_headers"]),
        "response_headers": _json(fields["response_headers"]),
    }


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _count(made: Rows, tried: Tried) -> None:
    fields = tried.fields
    key = fields["organization"], fields["subscription_id"], tried.at_ms - tried.at_ms % _MINUTE_MS
    row = made.minutes.get(key)
    if row is None:
        row = made.minutes[key] = {
            "organization": key[0],
            "subscription_id": key[1],
            "minute": key[2],
            "delivered": 0,
            "failed": 0,
            "dead": 0,
            "parked": 0,
        }
    verdict = fields["verdict"]
    row["delivered"] += verdict == "delivered"
    row["failed"] += bool(fields["posted"]) and verdict in ("retry", "dead_letter")
    row["dead"] += verdict == "dead_letter"
    row["parked"] += verdict == "parked"
