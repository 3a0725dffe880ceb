"""The routes of the delivery log and of replays, and what the OpenAPI document says of them."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from control import deliveries, overview, replays, webhook_health
from control.log_models import DeliveryDetail, DeliveryPage, Health, Overview, Resent
from control.openapi import ALWAYS, BODY, body, problems, schema_of
from control.parameters import PLAIN
from control.replay_models import NewReplay, Preview, Previewed, Replay, ReplayPage


def install(app: FastAPI) -> None:
    """Serve the delivery log, the overview and replays."""
    app.include_router(_deliveries(), prefix=deliveries.PATH)
    app.include_router(_replays(), prefix=replays.PATH)
    app.add_api_route(
        overview.PATH,
        overview.get,
        methods=["GET"],
        response_model=Overview,
        tags=["deliveries"],
        dependencies=PLAIN,
        responses=problems(*ALWAYS),
    )


def of_webhook() -> APIRouter:
    """Return the routes that stand below a webhook."""
    router = APIRouter(tags=["webhooks"], responses=problems(*ALWAYS, 404))
    router.add_api_route(
        "/{webhook_id}/deliveries", deliveries.list_of_webhook, methods=["GET"], response_model=DeliveryPage
    )
    router.add_api_route(
        "/{webhook_id}/health",
        webhook_health.get,
        methods=["GET"],
        response_model=Health,
        dependencies=PLAIN,
    )
    return router


def _deliveries() -> APIRouter:
    router = APIRouter(tags=["deliveries"], responses=problems(*ALWAYS))
    router.add_api_route("", deliveries.list_, methods=["GET"], response_model=DeliveryPage)
    router.add_api_route(
        "/{delivery_id}",
        deliveries.get,
        methods=["GET"],
        response_model=DeliveryDetail,
        dependencies=PLAIN,
        responses=problems(404),
    )
    router.add_api_route(
        "/{delivery_id}/resend",
        deliveries.resend,
        methods=["POST"],
        status_code=202,
        response_model=Resent,
        dependencies=PLAIN,
        responses=problems(404, 409),
    )
    return router


def _replays() -> APIRouter:
    router = APIRouter(tags=["replays"], responses=problems(*ALWAYS))
    router.add_api_route("", replays.list_, methods=["GET"], response_model=ReplayPage)
    router.add_api_route(
        "",
        replays.create,
        methods=["POST"],
        status_code=202,
        response_model=Replay,
        dependencies=PLAIN,
        responses=problems(*BODY, 409, 422),
        openapi_extra=body(schema_of(NewReplay)),
    )
    router.add_api_route(
        "/preview",
        replays.preview,
        methods=["POST"],
        response_model=Previewed,
        dependencies=PLAIN,
        responses=problems(*BODY),
        openapi_extra=body(schema_of(Preview)),
    )
    router.add_api_route(
        "/{replay_id}",
        replays.get,
        methods=["GET"],
        response_model=Replay,
        dependencies=PLAIN,
        responses=problems(404),
    )
    for name, steer in (("pause", replays.pause), ("resume", replays.resume), ("cancel", replays.cancel)):
        router.add_api_route(
            f"/{{replay_id}}/{name}",
            steer,
            methods=["POST"],
            status_code=202,
            response_model=Replay,
            dependencies=PLAIN,
            responses=problems(404, 409),
        )
    return router
