"""Which request is answered where, and what the OpenAPI document says of it."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from control import archive_routes, catalogue, keys, log_routes, rewrapping, trials, webhooks
from control.key_models import CreatedKey, KeyPage, NewKey, Organization
from control.models import (
    EventTypes,
    Requests,
    Rewrap,
    Rewrapped,
    Rotation,
    Trial,
    TrialSent,
    Webhook,
    WebhookChange,
    WebhookPage,
)
from control.openapi import ALWAYS, BODY, body, problems, schema_of
from control.parameters import PLAIN
from tocsin.wire.systems import Systems


def install(app: FastAPI, systems: Systems, requests: Requests) -> None:
    """Serve webhooks at `/v1/webhooks`, and the same at every path that a system documents."""
    documented_paths = {path for system in systems.values() for path in system.api.paths}
    for path in (webhooks.PATH, *sorted(documented_paths - {webhooks.PATH})):
        app.include_router(_router(requests), prefix=path)
        app.include_router(log_routes.of_webhook(), prefix=path)
        app.include_router(archive_routes.of_webhook(), prefix=path)
    log_routes.install(app)
    archive_routes.install(app)
    app.add_api_route(
        catalogue.PATH,
        catalogue.list_,
        methods=["GET"],
        response_model=EventTypes,
        tags=["events"],
        dependencies=PLAIN,
        responses=problems(*ALWAYS),
    )
    app.add_api_route(
        rewrapping.PATH,
        rewrapping.rewrap,
        methods=["POST"],
        response_model=Rewrapped,
        tags=["operations"],
        dependencies=PLAIN,
        responses=problems(*ALWAYS, 409, *BODY),
        openapi_extra=body(Rewrap.model_json_schema()),
    )
    app.include_router(_keys(), prefix=keys.PATH)
    app.add_api_route(
        keys.WHO_PATH,
        keys.who,
        methods=["GET"],
        response_model=Organization,
        tags=["keys"],
        dependencies=PLAIN,
        responses=problems(*ALWAYS),
    )
    catalogue.document(app, systems)


def _keys() -> APIRouter:
    router = APIRouter(tags=["keys"], responses=problems(*ALWAYS))
    router.add_api_route("", keys.list_, methods=["GET"], response_model=KeyPage)
    router.add_api_route(
        "",
        keys.create,
        methods=["POST"],
        status_code=201,
        response_model=CreatedKey,
        dependencies=PLAIN,
        responses=problems(*BODY),
        openapi_extra=body(schema_of(NewKey)),
    )
    router.add_api_route(
        "/{key_id}",
        keys.revoke,
        methods=["DELETE"],
        status_code=204,
        dependencies=PLAIN,
        responses=problems(404),
    )
    return router


def _router(requests: Requests) -> APIRouter:
    router = APIRouter(tags=["webhooks"], responses=problems(*ALWAYS))
    router.add_api_route(
        "",
        webhooks.create,
        methods=["POST"],
        status_code=201,
        response_model=Webhook,
        dependencies=PLAIN,
        responses=problems(*BODY),
        openapi_extra=body(requests.schema()),
    )
    router.add_api_route(
        "/test",
        trials.send,
        methods=["POST"],
        status_code=202,
        response_model=TrialSent,
        dependencies=PLAIN,
        responses=problems(404, *BODY),
        openapi_extra=body(Trial.model_json_schema()),
    )
    router.add_api_route("", webhooks.list_, methods=["GET"], response_model=WebhookPage)
    router.add_api_route(
        "/{webhook_id}",
        webhooks.get,
        methods=["GET"],
        response_model=Webhook,
        dependencies=PLAIN,
        responses=problems(404),
    )
    router.add_api_route(
        "/{webhook_id}",
        webhooks.change,
        methods=["PATCH"],
        response_model=Webhook,
        dependencies=PLAIN,
        responses=problems(404, 412, *BODY),
        openapi_extra=body(WebhookChange.model_json_schema()),
    )
    router.add_api_route(
        "/{webhook_id}/secret",
        webhooks.rotate,
        methods=["POST"],
        response_model=Webhook,
        dependencies=PLAIN,
        responses=problems(404, 409, 412, *BODY),
        openapi_extra=body(Rotation.model_json_schema()),
    )
    router.add_api_route(
        "/{webhook_id}",
        webhooks.delete,
        methods=["DELETE"],
        status_code=204,
        dependencies=PLAIN,
        responses=problems(404, 412),
    )
    return router
