"""Problem documents (RFC 9457): the shape of every answer that is not 2xx, the framework's own included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

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
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.headers = tuple(errors), dict(headers or {})

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
            document.model_dump(exclude_none=True), self.status, self.headers, media_type=MEDIA_TYPE
        )


def invalid_body(faults: Sequence[Fault]) -> Problem:
    """Return the answer to a body with these faults; there is at least one."""
    first = faults[0]
    return Problem(400, "invalid_body", f"{first.field}: {first.reason}", errors=faults)


def not_found() -> Problem:
    """Return the answer for what does not exist, or belongs to somebody else: the same."""
    return Problem(404, "not_found", "there is no such webhook")


def unavailable(detail: str) -> Problem:
    """Return the answer while Kafka does not answer."""
    return Problem(503, "unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def install(app: FastAPI) -> None:
    """Make every failure of an app a problem document."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, problem: Problem) -> JSONResponse:
        return problem.response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [
            Fault(field=".".join(str(part) for part in fault["loc"][1:]), reason=fault["msg"])
            for fault in error.errors()
        ]
        told = f"{faults[0].field}: {faults[0].reason}"
        return Problem(400, "invalid_parameter", told, errors=faults).response()

    @app.exception_handler(HTTPException)
    async def _framework(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "_")
        detail = f"{request.method} {request.url.path}: {phrase.lower()}"
        return Problem(error.status_code, code, detail, headers=error.headers).response()

    @app.exception_handler(Exception)
    async def _failure(request: Request, error: Exception) -> JSONResponse:
        # The server above logs it.
        return Problem(500, "internal_error", "the request failed here; it is logged").response()
