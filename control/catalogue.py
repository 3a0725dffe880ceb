"""Which events there are: `GET /v1/event-types`, and the `webhooks` section of the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from control.auth import Reading
from control.openapi import told
from tocsin.wire import catalogue, json_schema
from tocsin.wire.systems import EventType, System, Systems

PATH: Final = "/v1/event-types"


async def list_(caller: Reading) -> JSONResponse:
    """List the event types of the key's system."""
    system = caller.system
    return JSONResponse({"data": [catalogue.entry(system, known) for known in system.catalogue()]})


def document(app: FastAPI, systems: Systems) -> None:
    """Make an app's OpenAPI document tell of the requests that receivers get."""
    described = {
        f"{system.name}.{known.name}": {"post": _webhook(system, known)}
        for system in systems.values()
        for known in system.catalogue()
    }
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        return told(plain()) | {"webhooks": described}

    app.openapi = openapi  # type: ignore[method-assign]


def _webhook(system: System, known: EventType) -> dict[str, Any]:
    wire = system.wire
    names = [header.name for header in wire.headers if not header.spread]
    return {
        "operationId": f"{system.name}.{known.name}",
        "tags": [system.title],
        "summary": known.name,
        "description": known.description,
        "parameters": [_header(name) for name in (*names, *wire.signature.header_names())],
        "requestBody": {
            "required": True,
            "content": {
                wire.content_type: {
                    "schema": json_schema.of_body(system.name, wire, known),
                    "example": json_schema.example_body(system.name, wire, known),
                }
            },
        },
        "responses": {
            "2XX": {"description": "It is delivered."},
            "410": {"description": "Nothing more is sent to this webhook."},
            "default": {"description": "It is sent again, as the system's schedule says."},
        },
    }


def _header(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
