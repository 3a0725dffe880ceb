"""Asking for a job: written once, however often it is asked for, and only so many at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from control.idempotency import derived
from control.services import Services
from tocsin import jobs
from tocsin.errors import NotAcknowledged
from tocsin.http.admission import Caller
from tocsin.http.problems import Problem, unavailable
from tocsin.jobs import DEFAULT_RATE_PER_S, ENDED, Job, Kind, ReplayRequest
from tocsin.selection import Selection

OPEN_MAX: Final = 20
"""Jobs of one organization that have not ended."""


def submit(
    services: Services,
    caller: Caller,
    kind: Kind,
    selection: Selection,
    why: str,
    *,
    key: str | None = None,
    rate_per_s: float = DEFAULT_RATE_PER_S,
    target: str | None = None,
    end_offsets: Mapping[int, int] | None = None,
) -> Job:
    """Write a request, unless it stands there already, and return its job.

    Args:
        key: An `Idempotency-Key`: the same one means the same job.
        rate_per_s, target: As in `ReplayRequest`.
        end_offsets: Likewise, by partition; None, all that there is when the job begins.

    Raises:
        Problem: 409, too many have not ended; 422, the same key asked for something else; 503, not acknowledged.
    """
    wanted = ReplayRequest(
        job=_name(kind, services, caller, key),
        requested_by=f"key:{caller.key_id}",
        requested_at=services.clock_ms(),
        selection=selection,
        why=why,
        rate_per_s=rate_per_s,
        kind=kind,
        target=target,
        end_offsets={str(partition): end for partition, end in (end_offsets or {}).items()},
    )
    known = services.jobs.find(wanted.job)
    if known is not None:
        _require_same(known.request, wanted)
        return known
    _require_room(services, caller)
    write(lambda: services.jobs.request(wanted))
    return services.jobs.find(wanted.job) or Job(wanted)


def write(put: Callable[[], None]) -> None:
    """Write something about a job; a `Problem` 503 if it is not acknowledged."""
    try:
        put()
    except NotAcknowledged as error:
        raise unavailable(f"{error}; it may or may not be done, the list of replays will tell") from error


def _name(kind: Kind, services: Services, caller: Caller, key: str | None) -> str:
    if key is not None:
        # The prefix keeps kinds apart; the place stays, or a key used before an upgrade would mean another job.
        place = "replays" if kind == "replay" else kind
        return f"{jobs.PREFIXES[kind]}-{derived(key, caller.organization, place)}"
    return jobs.new_name(kind, services.clock_ms(), os.urandom(8))


def _require_same(known: ReplayRequest, wanted: ReplayRequest) -> None:
    same = all(
        getattr(known, field) == getattr(wanted, field)
        for field in ("kind", "selection", "why", "rate_per_s", "target")
    )
    if not same:
        told = f"this Idempotency-Key was used for another request, which made {known.job}"
        raise Problem(422, "idempotency_key_reused", told)


def _require_room(services: Services, caller: Caller) -> None:
    unfinished = sum(
        job.state not in ENDED and job.request.selection.organization == caller.organization
        for job in services.jobs.all()
    )
    if unfinished >= OPEN_MAX:
        told = f"{unfinished} replays of this organization have not ended yet: wait for one, or cancel it"
        raise Problem(409, "too_many_replays", told)
