"""Problem documents (RFC 9457): the shape of every answer that is not 2xx, the framework's own included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, cast

from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 5


class Fault(BaseModel):
    """One field at fault; the name is dotted, such as `events.1`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str
    reason: str


class ProblemDocument(BaseModel):
    """What went wrong.

    `code` is for programs and stays as it is; `detail` is for people. `errors` names every field at fault.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[Fault, ...] | None = None


class Problem(Exception):
    """Raise it anywhere in a request to answer with a problem document.

    Args:
        status: HTTP status.
        code: For programs, such as `invalid_body`.
        detail: For people.
        errors: Fields at fault.
        headers: Further headers of the answer.
        members: Further members of the document (RFC 9457, 3.2).
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.headers, self.members = tuple(errors), dict(headers or {}), dict(members or {})

    def response(self) -> JSONResponse:
        """Return it as an answer."""
        document = ProblemDocument(
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            code=self.code,
            detail=self.detail,
            errors=self.errors or None,
        )
        return JSONResponse(
            document.model_dump(exclude_none=True) | self.members,
            self.status,
            self.headers,
            media_type=MEDIA_TYPE,
        )


def invalid_body(faults: Sequence[Fault]) -> Problem:
    """Return the answer to a body with these faults; there is at least one."""
    first = faults[0]
    return Problem(400, "invalid_body", f"{first.field}: {first.reason}", errors=faults)


def not_found(what: str) -> Problem:
    """Return the answer for what does not exist, or belongs to somebody else: the same."""
    return Problem(404, "not_found", f"there is no such {what}")


def unavailable(detail: str, code: str = "unavailable") -> Problem:
    """Return the answer while Kafka, or what `code` says, does not answer."""
    return Problem(503, code, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def failure() -> Problem:
    """Return the answer to a request that met a fault of ours."""
    return Problem(500, "internal_error", "the request failed here; it is logged")


def install(app: Starlette) -> None:
    """Make every failure of an app a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _failure)


async def _problem(request: Request, problem: Exception) -> JSONResponse:
    return cast(Problem, problem).response()


async def _framework(request: Request, error: Exception) -> JSONResponse:
    refused = cast(HTTPException, error)
    phrase = HTTPStatus(refused.status_code).phrase
    code = phrase.lower().replace(" ", "_")
    detail = f"{request.method} {request.url.path}: {phrase.lower()}"
    headers = refused.headers if refused.status_code != 405 else {"Allow": ", ".join(_allowed(request))}
    return Problem(refused.status_code, code, detail, headers=headers).response()


def _allowed(request: Request) -> list[str]:
    """Return the methods of all routes that a path leads to; the framework names those of the first one."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in routes for method in getattr(route, "methods", None) or ()})


async def _failure(request: Request, error: Exception) -> JSONResponse:
    # The server above logs it.
    return failure().response()
