"""The routes of what is read in Kafka: what was missed, purges, the audit and quarantine."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from control import audit_log, missing, purging, quarantine, recoveries
from control.archive_models import (
    AuditPage,
    MissingPage,
    NewPurge,
    NewRecovery,
    Purgeable,
    PurgePreview,
    QuarantinedRecord,
    QuarantinePage,
    Recoverable,
    RecoveryPreview,
    Redrive,
    RedriveDone,
)
from control.openapi import ALWAYS, BODY, body, problems, schema_of
from control.parameters import PLAIN
from control.replay_models import Replay


def install(app: FastAPI) -> None:
    """Serve recoveries, purges, the audit and quarantine."""
    app.include_router(_recoveries(), prefix=recoveries.PATH)
    app.include_router(_purges(), prefix=purging.PATH)
    app.add_api_route(
        audit_log.PATH,
        audit_log.list_,
        methods=["GET"],
        response_model=AuditPage,
        tags=["audit"],
        responses=problems(*ALWAYS),
    )
    app.include_router(_quarantine(), prefix=quarantine.PATH)


def of_webhook() -> APIRouter:
    """Return the route that stands below a webhook."""
    router = APIRouter(tags=["webhooks"], responses=problems(*ALWAYS, 404, 409))
    router.add_api_route("/{webhook_id}/missing", missing.list_, methods=["GET"], response_model=MissingPage)
    return router


def _recoveries() -> APIRouter:
    router = APIRouter(tags=["replays"], responses=problems(*ALWAYS, *BODY, 409), dependencies=PLAIN)
    router.add_api_route(
        "",
        recoveries.create,
        methods=["POST"],
        status_code=202,
        response_model=Replay,
        responses=problems(422),
        openapi_extra=body(schema_of(NewRecovery)),
    )
    router.add_api_route(
        "/preview",
        recoveries.preview,
        methods=["POST"],
        response_model=Recoverable,
        openapi_extra=body(schema_of(RecoveryPreview)),
    )
    return router


def _purges() -> APIRouter:
    router = APIRouter(tags=["replays"], responses=problems(*ALWAYS, *BODY), dependencies=PLAIN)
    router.add_api_route(
        "",
        purging.create,
        methods=["POST"],
        status_code=202,
        response_model=Replay,
        responses=problems(409),
        openapi_extra=body(schema_of(NewPurge)),
    )
    router.add_api_route(
        "/preview",
        purging.preview,
        methods=["POST"],
        response_model=Purgeable,
        openapi_extra=body(schema_of(PurgePreview)),
    )
    return router


def _quarantine() -> APIRouter:
    router = APIRouter(tags=["operations"], responses=problems(*ALWAYS))
    router.add_api_route("", quarantine.list_, methods=["GET"], response_model=QuarantinePage)
    router.add_api_route(
        "/redrive",
        quarantine.redrive,
        methods=["POST"],
        response_model=RedriveDone,
        dependencies=PLAIN,
        responses=problems(*BODY),
        openapi_extra=body(schema_of(Redrive)),
    )
    router.add_api_route(
        "/{record_id}",
        quarantine.get,
        methods=["GET"],
        response_model=QuarantinedRecord,
        dependencies=PLAIN,
        responses=problems(404),
    )
    return router
