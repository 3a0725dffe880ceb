"""What became of a request's events, as an answer. Pure.

| became of its events | answer |
|---|---|
| all acknowledged | 202 |
| of a batch: some acknowledged | 207, with a status for each |
| none acknowledged, though some may be stored | 503, with every id, so that a repeat forks nothing |
| none fits | 400, naming each field |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from starlette.responses import Response

from producers.gateway.intake import Outcome, Refused, Taken
from producers.gateway.modes import PLAIN
from tocsin.http.problems import RETRY_AFTER_S, Fault, Problem, invalid_body

_SHOWN_MAX: Final = 500
"""Of a caller's own text in an answer, so many characters."""

_UNKNOWN: Final = "the broker has not acknowledged it in time: it may or may not be stored, send it again"


def answer(outcomes: Sequence[Outcome], *, batched: bool) -> Response:
    """Return the answer to a request.

    Args:
        outcomes: One for each event, in the request's order; at least one.

    Raises:
        Problem: When no event is acknowledged.
    """
    if not any(isinstance(each, Taken) and each.acknowledged for each in outcomes):
        raise _nothing(outcomes, batched)
    if not batched:
        (taken,) = outcomes
        return _json({"id": taken.id, "status": 202}, 202)
    results = [_result(each) for each in outcomes]
    accepted = sum(each["status"] == 202 for each in results)
    status = 202 if accepted == len(results) else 207
    return _json({"accepted": accepted, "failed": len(results) - accepted, "results": results}, status)


def _nothing(outcomes: Sequence[Outcome], batched: bool) -> Problem:
    taken = [each for each in outcomes if isinstance(each, Taken)]
    if not taken:
        return invalid_body(
            [
                _fault(each, f"{place}." if batched else "")
                for place, each in enumerate(outcomes)
                if isinstance(each, Refused)
            ]
        )
    return Problem(
        503,
        "not_acknowledged",
        "the broker has acknowledged nothing in time: send it again with the same ids",
        headers={"Retry-After": str(RETRY_AFTER_S)},
        members={"ids": [each.id for each in outcomes]},
    )


def fate(outcome: Outcome) -> str:
    """Return what became of an event, for counting."""
    if isinstance(outcome, Refused):
        return "refused"
    return "acknowledged" if outcome.acknowledged else "unacknowledged"


def _result(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Refused):
        fault = _fault(outcome, "")
        return {"id": outcome.id, "status": 400, "field": fault.field, "reason": fault.reason}
    if outcome.acknowledged:
        return {"id": outcome.id, "status": 202}
    return {"id": outcome.id, "status": 503, "reason": _UNKNOWN}


def _fault(refused: Refused, before: str) -> Fault:
    return Fault(field=(before + refused.field)[:_SHOWN_MAX], reason=refused.reason[:_SHOWN_MAX])


def _json(document: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(document), status, media_type=PLAIN)
