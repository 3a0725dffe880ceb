"""The HTTP application."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from control import problems, routes
from control.problems import unavailable
from control.protection import Protection
from control.services import FRESH_S, Services


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
    routes.install(app, services.systems, services.requests)
    app.add_api_route("/livez", _alive, methods=["GET"], tags=["probes"])
    app.add_api_route("/readyz", _ready, methods=["GET"], tags=["probes"])
    return Protection(app)


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
