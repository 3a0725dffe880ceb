"""The HTTP application."""

from __future__ import annotations

from importlib.metadata import version
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from control import routes
from control.console.serving import Console, pages
from control.services import FRESH_S, Services
from tocsin.http import problems
from tocsin.http.bodies import BODY_MAX_BYTES
from tocsin.http.problems import Fault, Problem, unavailable
from tocsin.http.protection import Protection


def create_app(services: Services) -> ASGIApp:
    """Return the whole application."""
    app = FastAPI(
        title="Tocsin control API",
        version=version("tocsin"),
        description="Who gets which governance events where.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    problems.install(app)
    app.add_exception_handler(RequestValidationError, _invalid)
    routes.install(app, services.systems, services.requests)
    app.add_api_route("/livez", _alive, methods=["GET"], tags=["probes"])
    app.add_api_route("/readyz", _ready, methods=["GET"], tags=["probes"])
    return Console(Protection(app, BODY_MAX_BYTES), pages())


async def _alive() -> JSONResponse:
    """Answer as long as the process can."""
    return JSONResponse({"status": "alive"})


async def _ready(request: Request) -> JSONResponse:
    """Answer whether this node knows what there is now."""
    services: Services = request.app.state.services
    age_s = services.age_s()
    if age_s > FRESH_S:
        raise unavailable("Kafka does not answer: what this node knows may be out of date")
    return JSONResponse({"status": "ready"})


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    faults = [
        Fault(field=".".join(str(part) for part in fault["loc"][1:]), reason=fault["msg"])
        for fault in cast(RequestValidationError, error).errors()
    ]
    told = f"{faults[0].field}: {faults[0].reason}"
    return Problem(400, "invalid_parameter", told, errors=faults).response()
