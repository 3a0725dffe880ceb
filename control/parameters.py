"""What parameters and fields of more than one route are made of, and what no route takes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import Depends, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from tocsin.http.problems import Fault, Problem

PAGE_MAX: Final = 250

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _printable(text: str) -> str:
    if _UNPRINTABLE.search(text):
        raise ValueError("has a character that is not printable")
    return text


def moment_ms(text: object) -> int:
    """Return an RFC 3339 time in milliseconds since the epoch.

    Raises:
        ValueError: It is none.
    """
    match = _RFC3339.match(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("is no RFC 3339 time, such as 2026-11-21T09:00:00Z")
    # datetime rounds to microseconds and its float of seconds may fall one millisecond short.
    whole, fraction, zone = match.groups()
    try:
        seconds = int(datetime.fromisoformat(whole + zone.upper()).timestamp())
    except (ValueError, OverflowError) as error:
        raise ValueError(f"is no time: {error}") from None
    return max(0, 1000 * seconds + int((fraction or "").ljust(3, "0")[:3]))


Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Moment = Annotated[int, BeforeValidator(moment_ms), WithJsonSchema({"type": "string", "format": "date-time"})]
WebhookId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
Whose = Literal["subscriber", "tocsin"]


class Paging(BaseModel):
    """Which page of a listing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: str | None = Field(None, max_length=200, description="The `next` of the page before.")
    limit: int = Field(PAGE_MAX, ge=1, le=PAGE_MAX)


async def no_query(request: Request) -> None:
    """Refuse parameters where there are none: who wrote them expected something of them."""
    for name in request.query_params:
        fault = Fault(field=name[:100], reason="is no parameter of this")
        raise Problem(400, "invalid_parameter", f"{fault.field}: {fault.reason}", errors=[fault])


PLAIN: Final = [Depends(no_query)]
