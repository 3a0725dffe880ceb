"""What the gateway's OpenAPI document says, written by hand: requests are not read by a framework here. Pure."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from producers.gateway.modes import BATCH_MAX_BYTES, BATCHED, EVENTS_MAX, PLAIN, STRUCTURED
from tocsin.events import ATTRIBUTE_MAX_BYTES, EXTENSIONS_MAX
from tocsin.http.bodies import BODY_MAX_BYTES
from tocsin.http.problems import MEDIA_TYPE, ProblemDocument

_PROBLEMS: Final = {
    400: "No event fits its contract, or the body is no JSON; `errors` names every field.",
    401: "No usable API key.",
    403: "The API key lacks the scope `publish`.",
    408: "The body took too long.",
    413: f"One event over {BODY_MAX_BYTES // 1024} KiB, or a batch over {BATCH_MAX_BYTES // 1024} KiB.",
    415: "Another media type.",
    429: "Too many events a minute with this API key; `Retry-After` says when to come back.",
    503: "The broker has acknowledged nothing in time. `ids`, where present, has every event's id: with these it is "
    "safe to send the same again.",
}

_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": ATTRIBUTE_MAX_BYTES}
_ATTRIBUTES: Final = {
    "id": {
        **_TEXT,
        "description": "Unique within the source: an id that came before is not delivered again.",
    },
    "source": {**_TEXT, "description": "A URI reference of who says so."},
    "type": {**_TEXT, "description": "An event type of the key's system.", "examples": ["drift.alert"]},
    "time": {"type": "string", "format": "date-time", "description": "When it happened; else now."},
    "subject": {**_TEXT, "description": "What it happened to."},
    "data": {"type": "object", "description": "As the event type's schema says; see `GET /v1/event-types`."},
}
_EXTENSION: Final = {"anyOf": [_TEXT, {"type": "integer"}, {"type": "boolean"}]}

_SCHEMAS: Final[dict[str, Any]] = {
    "Event": {
        "type": "object",
        "required": ["type", "data"],
        "properties": {
            **_ATTRIBUTES,
            "extensions": {
                "type": "object",
                "propertyNames": {"pattern": "^[a-z0-9]{1,20}$"},
                "additionalProperties": _EXTENSION,
                "maxProperties": EXTENSIONS_MAX,
                "description": "Further attributes; `partitionkey` orders events among those that share it.",
            },
        },
        "additionalProperties": False,
    },
    "CloudEvent": {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            **_ATTRIBUTES,
            "datacontenttype": {"type": "string", "examples": [PLAIN]},
            "dataschema": {"type": "string"},
        },
        "additionalProperties": _EXTENSION,
    },
    "Accepted": {
        "type": "object",
        "required": ["id", "status"],
        "properties": {"id": {"type": "string"}, "status": {"const": 202}},
        "additionalProperties": False,
    },
    "BatchResult": {
        "type": "object",
        "required": ["accepted", "failed", "results"],
        "properties": {
            "accepted": {"type": "integer", "minimum": 0},
            "failed": {"type": "integer", "minimum": 0},
            "results": {
                "type": "array",
                "description": "One for each event, in their order.",
                "items": {
                    "type": "object",
                    "required": ["id", "status"],
                    "properties": {
                        "id": {"type": ["string", "null"]},
                        "status": {"enum": [202, 400, 503]},
                        "field": {"type": "string", "description": "At fault, dotted."},
                        "reason": {"type": "string"},
                    },
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
    },
    "Problem": ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    | {"additionalProperties": True},
}


def document() -> dict[str, Any]:
    """Return the document (OpenAPI 3.1)."""
    schemas = dict(_SCHEMAS)
    problem = dict(schemas["Problem"])
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tocsin gateway",
            "version": version("tocsin"),
            "description": "Governance events over HTTP, for services that speak no Kafka.",
        },
        "paths": {
            "/v1/events": {"post": _publish()},
            "/livez": {"get": _probe("Whether the process answers.", 200)},
            "/readyz": {"get": _probe("Whether Kafka acknowledges what this process writes.", 200, 503)},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _publish() -> dict[str, Any]:
    return {
        "operationId": "publish",
        "summary": "Publish one event, or a batch.",
        "description": "Organization and system are the API key's. 202 comes after the broker's acknowledgement on all "
        "in-sync replicas, never before. Events without an id get one; with `Idempotency-Key` the same again for the "
        "same key. CloudEvents' binary mode is taken too: attributes in `ce-` headers, data as the body.",
        "security": [{"key": []}, {"bearer": []}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 200},
                "description": "Seeds the ids of events without one, so that a repeated request forks nothing.",
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                PLAIN: {
                    "schema": {"anyOf": [_ref("Event"), _ref("CloudEvent"), _list("Event", "CloudEvent")]}
                },
                STRUCTURED: {"schema": _ref("CloudEvent")},
                BATCHED: {"schema": _list("CloudEvent")},
            },
        },
        "responses": {
            "202": _answer("Every event is acknowledged.", PLAIN, "Accepted", "BatchResult"),
            "207": _answer("Of a batch some are acknowledged; each has a status.", PLAIN, "BatchResult"),
            **{str(status): _answer(told, MEDIA_TYPE, "Problem") for status, told in _PROBLEMS.items()},
        },
    }


def _probe(told: str, *statuses: int) -> dict[str, Any]:
    return {"summary": told, "responses": {str(status): {"description": told} for status in statuses}}


def _answer(told: str, media_type: str, *schemas: str) -> dict[str, Any]:
    schema = _ref(schemas[0]) if len(schemas) == 1 else {"anyOf": [_ref(name) for name in schemas]}
    return {"description": told, "content": {media_type: {"schema": schema}}}


def _list(*schemas: str) -> dict[str, Any]:
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": EVENTS_MAX,
        "items": {"anyOf": [_ref(name) for name in schemas]} if len(schemas) > 1 else _ref(schemas[0]),
    }


def _ref(schema: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{schema}"}
