"""Which request is answered where, and what the OpenAPI document says of it."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, FastAPI

from control import catalogue, trials, webhooks
from control.models import (
    EventTypes,
    Requests,
    Rotation,
    Trial,
    TrialSent,
    Webhook,
    WebhookChange,
    WebhookPage,
)
from control.problems import ProblemDocument
from tocsin.wire.systems import Systems

_ALWAYS: Final = (400, 401, 403, 429, 503)


def install(app: FastAPI, systems: Systems, requests: Requests) -> None:
    """Serve webhooks at `/v1/webhooks`, and the same at every path that a system documents."""
    documented_paths = {path for system in systems.values() for path in system.api.paths}
    for path in (webhooks.PATH, *sorted(documented_paths - {webhooks.PATH})):
        app.include_router(_router(requests), prefix=path)
    app.add_api_route(
        catalogue.PATH,
        catalogue.list_,
        methods=["GET"],
        response_model=EventTypes,
        tags=["events"],
        responses=_problems(*_ALWAYS),
    )
    catalogue.document(app, systems)


def _router(requests: Requests) -> APIRouter:
    router = APIRouter(tags=["webhooks"], responses=_problems(*_ALWAYS))
    router.add_api_route(
        "",
        webhooks.create,
        methods=["POST"],
        status_code=201,
        response_model=Webhook,
        responses=_problems(408, 413, 415),
        openapi_extra=_body(requests.schema()),
    )
    router.add_api_route(
        "/test",
        trials.send,
        methods=["POST"],
        status_code=202,
        response_model=TrialSent,
        responses=_problems(404, 408, 413, 415),
        openapi_extra=_body(Trial.model_json_schema()),
    )
    router.add_api_route("", webhooks.list_, methods=["GET"], response_model=WebhookPage)
    router.add_api_route(
        "/{webhook_id}", webhooks.get, methods=["GET"], response_model=Webhook, responses=_problems(404)
    )
    router.add_api_route(
        "/{webhook_id}",
        webhooks.change,
        methods=["PATCH"],
        response_model=Webhook,
        responses=_problems(404, 408, 412, 413, 415),
        openapi_extra=_body(WebhookChange.model_json_schema()),
    )
    router.add_api_route(
        "/{webhook_id}/secret",
        webhooks.rotate,
        methods=["POST"],
        response_model=Webhook,
        responses=_problems(404, 408, 409, 412, 413, 415),
        openapi_extra=_body(Rotation.model_json_schema()),
    )
    router.add_api_route(
        "/{webhook_id}", webhooks.delete, methods=["DELETE"], status_code=204, responses=_problems(404, 412)
    )
    return router


def _problems(*statuses: int | str) -> dict[int | str, dict[str, Any]]:
    # "default" also keeps the framework from documenting a 422 that is never answered.
    return {status: {"model": ProblemDocument} for status in ("default", *statuses)}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
